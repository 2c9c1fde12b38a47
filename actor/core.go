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
		loads:      newLoads(),
		watched:    newWatchlist(),
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

// step handles one message at the time now, which follows the wall clock and never goes
// back, and tick, by the monotonic one, does what has become due or possible, and returns what must be
// done about it.
func (c *core) step(m message, now, tick int64) *effects {
	c.now, c.tick = now, tick
	clear(c.out.replies)
	clear(c.out.events)
	clear(c.out.ended)
	c.out = effects{replies: c.out.replies[:0], events: c.out.events[:0], ended: c.out.ended[:0]}
	c.noteTime()
	m.handle(c)
	c.advance()
	c.noteRoom()
	c.out.epoch, c.out.lease, c.out.wake = c.epoch(), c.lease, c.wake()
	return &c.out
}

// advance does what has become due or possible.
func (c *core) advance() {
	if len(c.ops.delayed) > 0 {
		c.ops.release(c.tick)
	}
	if len(c.watched.byEnd) > 0 {
		c.expireWatched()
	}
	if len(c.chores) > 0 {
		c.work()
	}
	if c.waiting() {
		c.letIn()
	}
	if c.batchDue() {
		c.out.batch = c.nextBatch()
	}
	if c.out.batch != nil && c.waiting() {
		c.letIn() // what left with it has made room
	}
	if c.syncs.n > 0 && c.passed {
		c.answerSyncs()
	}
	c.passed = false
}

// work does a slice of the first chore.
func (c *core) work() {
	if do := c.chores[0]; do(c) {
		c.chores[0] = nil
		c.chores = c.chores[1:]
	}
}

// resident returns the entry of a session. If it is not in memory, x is answered or
// waits for a load, and the result is nil.
func (c *core) resident(x *call, id persist.ID) *entry {
	if e := c.hot.ByID(id); e != nil && (c.trusted() || e.Pinned()) {
		return e
	}
	if c.tombstones.sessions[id] != nil {
		c.fail(x, persist.ErrNotFound)
		return nil
	}
	c.loadByID(x, id)
	return nil
}

// waiting reports whether anybody waits for room.
func (c *core) waiting() bool { return c.writes.n+c.reads.n+c.destroys.n > 0 }

// trusted reports whether memory may be served. Where nobody else writes it always may,
// but for a store that rests: its lease is 0 until the backend has been looked at.
func (c *core) trusted() bool { return c.now < c.lease }

func (c *core) event(e Event) {
	e.At = c.now
	c.out.events = append(c.out.events, e)
}

// nextSeq numbers an accepted change.
func (c *core) nextSeq() uint64 { c.seq++; return c.seq }

// wake is how long nothing is due.
func (c *core) wake() time.Duration {
	at := min(c.batchAt(), c.admissionAt())
	if len(c.ops.delayed) > 0 {
		at = min(at, c.ops.delayed.next())
	}
	if len(c.chores) > 0 {
		at = c.tick
	}
	wait := never
	if at != forever {
		wait = max(time.Duration(at-c.tick)*time.Microsecond, 0)
	}
	if len(c.watched.byEnd) == 0 {
		return wait
	}
	// The wall clock may be set ahead: look at it now and then.
	look := time.Duration(min(max(c.watched.byEnd.next()-c.now, 10_000), 60_000_000)) * time.Microsecond
	if wait == never {
		return look
	}
	return min(wait, look)
}

// batchDue reports whether a batch leaves now: at once when somebody waits, else when the
// oldest change has waited for BatchInterval or BatchSize has come together. One is in
// flight at a time; what comes meanwhile makes the next one (group commit).
func (c *core) batchDue() bool {
	return !c.finished && c.inFlight == nil && c.tick >= c.retry.at && len(c.ops.ready)+c.queue.Len() > 0 &&
		(c.urgent() || c.changesDue())
}

// urgent reports whether something may not wait for BatchInterval.
func (c *core) urgent() bool { return len(c.durable)+c.ops.urgent > 0 }

// changesDue reports whether what nobody waits for has waited for long enough.
func (c *core) changesDue() bool {
	return c.closing || c.syncs.n > 0 || c.queue.Len() >= c.cfg.BatchSize || c.tick >= c.oldest()+c.cfg.BatchInterval.Microseconds()
}

// oldest is the tick of the oldest change that waits for a batch.
func (c *core) oldest() int64 {
	at := int64(forever - 1<<40)
	if d := c.queue.oldest(); d != nil {
		at = d.since
	}
	if len(c.ops.ready) > 0 {
		at = min(at, c.ops.ready[0].state().since)
	}
	return at
}

// batchAt is the tick at which the next batch leaves, or forever.
func (c *core) batchAt() int64 {
	switch {
	case c.inFlight != nil || len(c.ops.ready)+c.queue.Len() == 0:
		return forever
	case c.urgent() || c.changesDue():
		return max(c.tick, c.retry.at)
	default:
		return max(c.oldest()+c.cfg.BatchInterval.Microseconds(), c.retry.at)
	}
}

// epoch says whether a row may be trusted by whoever has read it without asking the loop:
// as long as the epoch is the same, and not 0. See optimistic.
//
// It is 0 while others write too, the actor closes, the store rests, an operation is
// ready, delayed or in flight, or a session, token or user has a tombstone, open or
// committed. It changes when an operation is accepted, a session with changes is dropped,
// a tombstone is committed, a batch leaves, and on a reset.
//
// It must never return to a number that it had: every term only grows.
func (c *core) epoch() uint64 {
	t := &c.tombstones
	switch {
	case !c.exclusive || c.closing || c.use.resting(), len(c.ops.ready)+len(c.ops.delayed) > 0, c.inFlight != nil && len(c.inFlight.ops) > 0,
		len(t.sessions)+len(t.tokens)+len(t.users) > 0:
		return 0
	}
	return 1 + c.epochChanges + t.commits + c.stats.Batches
}

// idle reports whether everything is on disk.
func (c *core) idle() bool {
	return c.inFlight == nil && c.ops.len()+len(c.dirty)+len(c.chores) == 0
}

// wakeUp says that the time which a step asked for has come.
type wakeUp struct{}

func (wakeUp) handle(*core) {}

// closing says that nothing new will come and everything must go to disk.
type closing struct{}

// handle accepts nothing more: what waits goes to disk, what cannot wait is told so.
func (closing) handle(c *core) {
	c.closing = true
	for _, w := range []*waiters{&c.destroys, &c.writes.waiters, &c.reads.waiters} {
		c.failAll(w, ErrClosed)
	}
	for _, r := range c.replacing {
		c.failAll(&r.waiters, ErrClosed)
	}
	for l := c.loads.first; l != nil; l = l.next {
		c.failAll(&l.waiters, ErrClosed)
	}
	for id := range c.watched.byID {
		c.endWatch(id)
	}
}

// nothingMore says that nothing more will be written: answer everyone.
type nothingMore struct{}

// handle answers everyone who still waits for the disk.
func (nothingMore) handle(c *core) {
	for len(c.chores) > 0 {
		c.work()
	}
	for op := range c.ops.all() {
		op.surrender(c)
	}
	for _, d := range c.dirty {
		c.failAll(&d.wait, ErrClosed)
	}
}
