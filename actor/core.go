package actor

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/persist"
)

// Config tunes an Actor. Every field is required unless it says otherwise.
type Config struct {
	Entries         int           // sessions kept in memory
	Bytes           int64         // and their size
	BatchInterval   time.Duration // longest time a change waits for its batch
	BatchSize       int           // items of a batch
	MaxPending      int           // unwritten changes at which callers wait for room
	MaxPendingBytes int64         // and their data
	MaxTombstones   int           // tombstones at which the end of what memory does not know waits
	MaxLoads        int           // cold reads in progress at which callers wait for room
	MaxWaiting      int           // callers that wait for one kind of room, 0 = refuse at once
	Patience        time.Duration // how long they wait; a fifth of it once there has been no room for as long
	CleanupInterval time.Duration // between sweeps of expired sessions, 0 = never
	CloseTimeout    time.Duration // how long Close tries to write when the disk fails, and waits for reads
	Lease           time.Duration // how long memory is trusted after the backend said it is fresh
	ExpiryGrace     time.Duration // how long a shared backend keeps what is over: another node may have renewed it
	Exclusive       bool          // nobody else writes: memory is trusted without end, but after a rest not before a look
	TTL             int64         // bounds a sliding lifetime that is the configuration's, microseconds; 0 = no bound
	MaxLifetime     int64         // and an absolute one
	Grace           int64         // longest grace of a token that was replaced and whose successor was seen, microseconds; 0 = no bound
	Unproven        int64         // no proof of identity of that time or before counts: the clock has gone back since
	Seed            uint64        // of the retry jitter
	Now             func() int64  // the time, Unix microseconds: it never goes back
	Tick            func() int64  // a monotonic clock, microseconds
	Observe         func(Event)   // called on a goroutine of its own; optional
}

// forever is the end of a lease that does not end, and the tick at which nothing is due.
const forever = math.MaxInt64

// never is the wake of a core in which nothing will be due.
const never = time.Duration(-1)

// sliceSize is how many sessions are worked through at a time where a command is about many: well
// under a millisecond. A step does two slices at most of one command. A log-out of 100,000 sessions in one step once held up a login for 678
// ms.
const sliceSize = 256

// core is everything the loop knows. It belongs to the loop: its methods take the time as an
// argument, do no I/O, wait for nothing, hold no lock and publish nothing, so that a test can
// drive it step by step. What a step decides is in its effects.
//
// A session with changes is in dirty from its first change until all of it is on disk. Of
// these, queue has those with changes that are not in flight. One that has changed again while
// it is in flight is in both. Operations are in ops, or in
// inFlight, and never in both.
type core struct {
	cfg  Config
	now  int64 // time of this step: decides what has expired
	tick int64 // monotonic clock of this step: decides when something is written
	rng  *rand.Rand
	out  effects

	hot        *cache.Set[View]
	all        func() iter.Seq[*entry] // hot.All; a simulation has its entries in order
	dirty      map[persist.ID]*dirty   // changes that are not on disk yet
	queue      queue                   // those that are not in flight
	requeued   []*dirty                // of the batch that settles: those to go back
	durable    []*dirty                // somebody waits for these to be on disk
	bytes      int64                   // data of dirty, and of sessions that are being created
	ops        opqueue                 // security operations that are not in flight
	inFlight   *batch                  // the batch that is being committed
	unfinished []operation             // of the batch that settles: those that are done in part
	bulk       bulk                    // how much of commands over many sessions goes with a commit
	syncs      waiters
	passed     bool   // something that they may wait for has come to its end
	seq        uint64 // of the last accepted change or operation
	retry      backoff
	tombstones tombstones
	loads      loads
	watched    watchlist
	rotations  map[persist.ID][]*rotateOp // those of a session that are not settled, in order of acceptance
	replacing  replacing
	late       lateCreates
	chores     []chore
	ending     *ending // a log-out of everybody that is not on disk, or nil
	admission

	exclusive    bool
	lease        int64 // memory may be served before that tick
	resetAt      int64 // tick of the last reset
	resetting    int   // resets for which sessions are yet to yield
	rereadTick   int64 // at which watched sessions were last read again because the lease was over
	use          use
	closing      bool   // nothing new is accepted
	finished     bool   // nothing more is written
	epochChanges uint64 // operations, resets and dropped changes so far: part of the epoch
	stats        Stats
}

// chore is a part of a command over many sessions that is done in steps, so that others get
// their turn. It does up to sliceSize sessions, and returns whether it is done. Chores are
// done in the order in which they came: one that answers stands behind those that take
// sessions out of memory.
type chore func(c *core) (done bool)

// forEach is a chore that does something for each of l.
func forEach[T any](l []T, do func(c *core, x T)) chore {
	return func(c *core) bool {
		n := min(len(l), sliceSize)
		for _, x := range l[:n] {
			do(c, x)
		}
		l = l[n:]
		return len(l) == 0
	}
}

// begin does the first slice of a chore at once, and the others in steps that follow.
func (c *core) begin(do chore) {
	if !do(c) {
		c.chores = append(c.chores, do)
	}
}

// effects is what a step decided, beside the entries of hot that have changed. The shell
// carries it out; see publish. It is valid until the next step, which uses its arrays again.
type effects struct {
	epoch   uint64          // see core.epoch
	lease   int64           // memory may be served before that tick
	refuse  bool            // refuse whatever grows without asking the loop
	ended   []chan struct{} // their sessions are over
	ends    []End           // and why sessions are over
	replies []reply
	events  []Event
	batch   *persist.Batch // for the writer
	wake    time.Duration  // when to step again, or never
	reread  bool           // watched sessions must be read again
	end     bool           // the ender must begin
	look    bool           // the backend must be looked at: memory is not trusted until then
}

// reply is what goes to a caller: its answer, or the load whose disk read it has to do first.
// Then it is asked to come back, and is answered later.
type reply struct {
	call *call
	load *load
}

// newCore is a core that knows nothing. Where nobody else writes, memory is trusted from the
// start: what is not in it is read.
func newCore(cfg Config, hot *cache.Set[View]) *core {
	c := &core{
		cfg:        cfg,
		rng:        rand.New(rand.NewPCG(cfg.Seed, 0x5e551e)), // jitter only: nothing secret comes from here
		hot:        hot,
		all:        hot.All,
		dirty:      make(map[persist.ID]*dirty),
		queue:      queue{near: make(map[int64]*dirty)},
		tombstones: newTombstones(),
		loads:      loads{shared: make(map[loadKey]*load)},
		watched:    watchlist{byID: make(map[persist.ID]*watch), unread: make(map[persist.ID]*watch)},
		rotations:  make(map[persist.ID][]*rotateOp),
		replacing:  make(replacing),
		late:       lateCreates{byID: make(map[persist.ID]*lateCreate)},
		admission:  newAdmission(),
		exclusive:  cfg.Exclusive,
		bulk:       newBulk(),
	}
	if c.exclusive {
		c.lease = forever
	}
	return c
}

// idle reports whether everything is on disk.
func (c *core) idle() bool {
	return c.inFlight == nil && c.ops.len()+len(c.dirty)+len(c.chores) == 0
}

// Stats are what the loop has counted since Start, and what it holds now. Counters come
// first. Reads that memory or the disk answered without the loop are added by Actor.Stats.
type Stats struct {
	ColdReads, UnknownTokens, Unreadable      uint64
	Created, Destroyed, Evicted, Expired      uint64
	Rotated, Touches, TouchesDropped, Flushes uint64
	Batches, BatchItems, BatchFailures        uint64
	Conflicts, Quarantined, Overloaded        uint64
	CacheEvictions                            uint64    // from memory
	CommitTimes, BatchSizes                   Histogram // of successful commits; microseconds, items
	Hot, HotBytes, Pending, PendingBytes      int
	Tombstones, Loads, Watched, Waiting       int
	OldestPending                             int64 // age of the oldest unwritten change, microseconds
	LastError                                 error // of the last failed write
	LastErrorAt                               int64
	FailingSince                              int64 // a tick; 0 while batches are committed
	FailedAt                                  int64 // tick of the last failed commit
	StuckDeletes                              int
	Full                                      bool
	Refusing                                  bool // calls have been refused in the last second
	LeaseLapsed                               bool
}

// HistogramBounds is how many upper bounds a Histogram has.
const HistogramBounds = 18

// The first upper bounds of the histograms in Stats. Each further one is twice the one before.
const (
	FirstCommitTime = 50 // microseconds; the last bound is 6.6 s
	FirstBatchSize  = 1  // items; the last bound is 131,072
)

// Histogram counts values by powers of two. Only the loop adds to one; Stats has copies.
type Histogram struct {
	Counts [HistogramBounds + 1]uint64 // by bucket; the last one has what is over every bound
	Sum    uint64
}
