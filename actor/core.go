package actor

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/persist"
)

// forever is the end of a lease that does not end.
const forever = math.MaxInt64

// never is the wake of a core in which nothing will be due.
const never = time.Duration(-1)

// sliceSize is how many sessions one step works through where a command is about many:
// well under a millisecond.
const sliceSize = 256

// core is everything the loop knows. It belongs to the loop: its methods take the
// time as an argument, do no I/O, wait for nothing, hold no lock and publish nothing,
// so that a test can drive it step by step. What a step decides is in its effects.
type core struct {
	cfg  Config
	now  int64 // time of this step: decides what has expired
	tick int64 // monotonic clock of this step: decides when something is written
	rng  *rand.Rand
	out  effects

	hot        *cache.Set[View]
	dirty      map[persist.ID]*dirty // changes that are not on disk yet
	queue      queue                 // those that are not in flight
	requeued   []*dirty              // of the batch that settles: those to go back
	durable    []*dirty              // somebody waits for these to be on disk
	bytes      int64                 // data of dirty, and of sessions that are being created
	ops        opqueue               // security operations that are not in flight
	inFlight   *batch                // the batch that is being committed
	syncs      waiters
	passed     bool   // something that they may wait for has come to its end
	seq        uint64 // of the last accepted change or operation
	retry      backoff
	tombstones tombstones
	loads      loads
	watched    watchlist
	rotations  map[persist.ID][]*rotateOp // those of a session that are not settled, in order of acceptance
	replacing  replacing
	chores     []chore
	admission

	exclusive    bool
	lease        int64 // memory may be served before then
	use          use
	closing      bool   // nothing new is accepted
	finished     bool   // nothing more is written
	epochChanges uint64 // operations, resets and dropped changes so far: part of the epoch
	stats        Stats
}

// chore is a part of a command over many sessions that is done in steps, so that
// others get their turn. It does up to sliceSize sessions, and returns whether it is done.
type chore func(c *core) (done bool)

// effects is what a step decided, beside the entries of hot that have changed. The
// shell carries it out; see publish. It is valid until the next step.
type effects struct {
	epoch   uint64          // see core.epoch
	lease   int64           // memory may be served until then
	refuse  bool            // refuse whatever grows without asking the loop
	ended   []chan struct{} // their sessions are over
	replies []reply
	events  []Event
	batch   *persist.Batch // for the writer
	wake    time.Duration  // when to step again, or never
	reread  bool           // watched sessions must be read again
	look    bool           // the backend must be looked at: memory is not trusted until then
}

// reply is an answer to a call, or the load that its caller has to do first.
type reply struct {
	call *call
	load *load
}

func newCore(cfg Config, hot *cache.Set[View]) *core {
	c := &core{
		cfg:        cfg,
		rng:        rand.New(rand.NewPCG(cfg.Seed, 0x5e551e)), // jitter only: nothing secret comes from here
		hot:        hot,
		dirty:      make(map[persist.ID]*dirty),
		queue:      queue{near: make(map[int64]*dirty)},
		tombstones: newTombstones(),
		loads:      loads{shared: make(map[loadKey]*load)},
		watched:    watchlist{byID: make(map[persist.ID]*watch), unread: make(map[persist.ID]*watch)},
		rotations:  make(map[persist.ID][]*rotateOp),
		replacing:  make(replacing),
		admission:  newAdmission(),
		exclusive:  cfg.Exclusive,
	}
	if c.exclusive {
		c.lease = forever
	}
	c.out.lease = c.lease
	return c
}

// idle reports whether everything is on disk.
func (c *core) idle() bool {
	return c.inFlight == nil && c.ops.len()+len(c.dirty)+len(c.chores) == 0
}
