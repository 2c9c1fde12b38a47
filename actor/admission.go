package actor

import (
	"math"
	"slices"
)

// Admission keeps the core from taking on more than it has room for: changes that wait
// for the disk, cold reads, and tombstones. Who finds no room waits, first come first
// served.
//
// Waiting there helps nobody but the caller: the disk has all the work that it can
// take, and a longer queue makes answers older, not more. So a caller waits for
// Config.Patience at most, long enough for a burst to pass. Where there has been no
// room for as long as that it is no burst, and callers wait for a fifth of it, in a
// queue no longer than what the next drain takes; whoever comes beyond that is refused
// at once. (CoDel's rule, as it is used in front of servers: B. Maurer, "Fail at
// Scale", ACM Queue 13(8), 2015.)
//
// What ends sessions is never refused: it waits until there is room for its tombstone,
// and only if memory does not know what it ends.
type admission struct {
	writes     waitQueue // calls that make more wait for the disk
	reads      waitQueue // calls that need a cold read
	destroys   waiters   // calls that need room among the tombstones
	full       bool      // writes wait: high water has been reached, and low water has not been since
	refusedAt  int64     // tick of the last refusal
	overloaded bool      // that has been told
}

// waitQueue is the calls that wait for one kind of room. since and last tell a burst from an
// overload: last - since is how long there has been no room, where moments with room in
// between, shorter than Config.Patience, do not count. A drain at high load always makes such
// moments.
type waitQueue struct {
	waiters
	full  bool  // there is no room
	since int64 // tick since when there has been none, but for moments
	last  int64 // tick at which there was none for the last time
}

const (
	shortPatience = 5         // the part of Config.Patience that callers have where there is no room for long
	refusedLately = 1_000_000 // how long the health tells of a refusal, microseconds
	longAgo       = -1 << 60  // a tick before all others
)

func newAdmission() admission {
	return admission{writes: waitQueue{last: longAgo}, reads: waitQueue{last: longAgo}, refusedAt: longAgo}
}

// noteRoom notes, as a step ends, where there is room, and tells when calls begin to
// be refused and when that is over.
func (c *core) noteRoom() {
	c.note(&c.writes, c.checkFull())
	c.note(&c.reads, c.busy())
	if c.out.refuse = c.full && c.tooMany(&c.writes, c.drainSize()); c.out.refuse {
		c.refusedAt = c.tick
	}
	if now := c.refusing(); now != c.overloaded {
		c.overloaded = now
		k := EventRelieved
		if now {
			k = EventOverloaded
		}
		c.event(Event{Kind: k})
	}
}

// note notes, as a step ends, whether there is room. Steps may be far apart, and nothing
// changes between them: what had no room when the last one ended had none until this one.
func (c *core) note(q *waitQueue, full bool) {
	if full && !q.full && c.tick-q.last >= c.cfg.Patience.Microseconds() {
		q.since = c.tick
	}
	if full || q.full {
		q.last = c.tick
	}
	q.full = full
}

// checkFull closes admission at the bound and opens it again at nine tenths of it. Without
// that gap admission would open and close with every commit, and a caller would be let in for
// each one that is done.
func (c *core) checkFull() bool {
	c.full = c.above(1, 1) || c.full && c.above(9, 10)
	return c.full
}

// above reports whether at least num/den of the limit on pending changes is used. What is in flight
// counts with its dirty sessions, but not with its operations: those leave the queue at a
// commit's pace whatever is refused here.
func (c *core) above(num, den int) bool {
	return (len(c.dirty)+len(c.ops.ready))*den >= c.cfg.MaxPending*num ||
		c.bytes*int64(den) >= c.cfg.MaxPendingBytes*int64(num)
}

// busy reports whether cold reads are at their bound.
func (c *core) busy() bool { return c.loads.order.Len() >= c.cfg.MaxLoads }

// crowded reports whether tombstones are at their bound.
func (c *core) crowded() bool { return c.tombstones.len() >= c.cfg.MaxTombstones }

// letIn lets callers in where there is room, and refuses those that have waited for too long.
// A destroy that still finds no room goes back into its queue: so each of them is tried once
// only.
func (c *core) letIn() {
	for n := c.destroys.n; n > 0 && c.destroys.n > 0 && !c.crowded(); n-- {
		c.destroys.take().self.run(c)
	}
	for c.writes.n > 0 && !c.checkFull() {
		c.admit(&c.writes)
	}
	for c.reads.n > 0 && !c.busy() {
		c.admit(&c.reads)
	}
	for _, q := range []*waitQueue{&c.writes, &c.reads} {
		for q.n > 0 && c.patienceEnds(q) <= c.tick {
			c.reject(q.take())
		}
	}
}

// admissionAt is the tick at which something of this has to be done: the end of the patience
// of whoever is first in a queue, since the others came later, or the end of an overload,
// which is told as an event.
func (c *core) admissionAt() int64 {
	at := int64(forever)
	if c.overloaded {
		at = c.refusedAt + refusedLately
	}
	if c.writes.n > 0 {
		at = min(at, c.patienceEnds(&c.writes))
	}
	if c.reads.n > 0 {
		at = min(at, c.patienceEnds(&c.reads))
	}
	return at
}

// refusing reports whether calls have been refused lately.
func (c *core) refusing() bool { return c.tick-c.refusedAt < refusedLately }

// Bounds of bulk.rows, and what it aims at.
const (
	leastRows = 8
	mostRows  = 64
	bulkTime  = 1000 // microseconds that the sessions of one commit may take
)

// bulk decides how many sessions commands over many, a log-out of a user or a clean-up,
// delete with one commit: enough to share an fsync, few enough that whoever waits for the
// commit waits about a millisecond longer. How many those are depends on machine and disk, so
// it learns from each commit.
type bulk struct {
	rows   int    // with the next commit
	most   int    // with any
	plain  int64  // about what a commit takes without them, microseconds
	last   bool   // the last batch had some
	others uint64 // batches so far that somebody else waited for
}

func newBulk() bulk { return bulk{rows: mostRows / 4, most: mostRows, plain: 1 << 40} }

// learn takes the time of a commit. The shortest one of late is what a commit takes without
// bulk; "of late", because it grows a little with each commit, so that a disk that becomes
// slower is noticed. Rows fall by a quarter and rise by an eighth: a commit that is too long
// costs others, one that is too short costs only the command itself.
func (k *bulk) learn(took int64, hadSome bool) {
	k.plain = min(took, k.plain+k.plain/64+1)
	switch {
	case !hadSome:
		return
	case took > k.plain+bulkTime:
		k.rows -= k.rows / 4
	default:
		k.rows += k.rows/8 + 1
	}
	k.rows = min(max(k.rows, leastRows), k.most)
}

// bulkRoom is how many sessions of commands over many the next batch may delete, beside
// what it does for others. None if somebody else waits and the batch before had some: so a
// login waits for one such batch at most, and such commands get every second one.
//
// The first piece of a log-out does not count: it leaves in its turn, as a login does.
func (c *core) bulkRoom() int {
	waiting := len(c.durable) > 0 || slices.ContainsFunc(c.ops.ready, foreground)
	if waiting {
		c.bulk.others++
	}
	switch {
	case c.closing:
		return math.MaxInt
	case waiting && c.bulk.last:
		return 0
	default:
		return c.bulk.rows
	}
}

// takeAround is take where some stay behind: bulk for which there is no room. What comes
// after it may overtake it. Bulk that finds less room than it wants makes do with that.
func (q *opqueue) takeAround(n, room int) (l []operation) {
	var left []operation
	for _, op := range q.ready {
		p := op.state()
		if len(l) == n || p.bulk > 0 && room == 0 {
			left = append(left, op)
			continue
		}
		p.bulk = min(p.bulk, room)
		room -= p.bulk
		q.uncount(op)
		l = append(l, op)
	}
	q.ready = left
	return l
}

func isBulk(op operation) bool { return op.state().bulk > 0 }

// foreground reports whether somebody waits for an operation that is no bulk.
func foreground(op operation) bool { return !isBulk(op) && !op.state().background }

// waiters are calls that wait for the same thing, in the order in which they came. A call
// waits in one place at most, and leaves it at once when its caller gives up, in constant
// time. So memory does not grow with abandoned calls while a disk hangs: 300,000 of them once
// held 247 MB. A call knows the address of its place, so waiters must not be copied.
type waiters struct {
	first, last *call
	n           int
}

// add has x wait as the last.
func (w *waiters) add(x *call) {
	x.in, x.prev = w, w.last
	if w.last == nil {
		w.first = x
	} else {
		w.last.next = x
	}
	w.last = x
	w.n++
}

// take returns the call that has waited for longest, which waits no more; nil if there is none.
func (w *waiters) take() *call {
	x := w.first
	if x != nil {
		x.leave()
	}
	return x
}

// moveTo has all of w wait in o, behind those who wait there. A call knows where it waits, so
// each is moved by itself.
func (w *waiters) moveTo(o *waiters) {
	for x := w.take(); x != nil; x = w.take() {
		o.add(x)
	}
}

// leave takes x out of where it waits, if it does. It leaves no trace there.
func (x *call) leave() {
	w := x.in
	if w == nil {
		return
	}
	if x.prev == nil {
		w.first = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		w.last = x.prev
	} else {
		x.next.prev = x.prev
	}
	w.n--
	x.in, x.next, x.prev = nil, nil, nil
}
