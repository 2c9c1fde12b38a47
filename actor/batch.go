package actor

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/sessile/sessile/internal/agenda"
	"github.com/sessile/sessile/persist"
)

// operation is what leaves as a persist.Op. A create, a rotation or a destroy is answered
// when it is on disk, a seenOp when it is accepted. An operation outlives its callers: if it
// fails they are told, and one that must be done, or may have been, is tried again all the same.
// Others may come to wait for the retry of a destroy: see join and joinable. So every operation
// may be applied twice, and the second time must do no harm.
type operation interface {
	agenda.Scheduled
	state() *pending
	// encode is the operation as the backend takes it.
	encode() persist.Op
	// prepare is the last look before it leaves with b. It is false if the operation is over.
	prepare(c *core, b *batch) bool
	// settle takes the outcome of an operation that was committed.
	settle(c *core, b *batch, o persist.Outcome)
	// fail takes the failure of the whole batch: unknown, if it may have been done all the
	// same. It returns whether the operation must be tried again.
	fail(c *core, b *batch, err error, unknown bool) (retry bool)
	// surrender answers whoever waits: nothing more will be written.
	surrender(c *core)
}

// stage is where an operation is.
type stage uint8

const (
	ready    stage = iota + 1 // it may leave with the next batch
	inFlight                  // it is being committed
	delayed                   // it failed by itself, and waits for its time
)

// pending is what all operations have.
//
// holdsBack is an operation's own number, or a lower one that it has taken over: a destroy
// ends a session with changes that a Sync covers. They will never be on disk, so that Sync
// waits for the deletion in their stead.
type pending struct {
	agenda.Moment        // when it is ready again, if it is delayed
	waiters              // who waits for it; nobody, if it is a retry or a clean-up
	order         uint64 // of acceptance
	holdsBack     uint64 // lowest change number that a Sync must not report before this is done
	since         int64  // tick of its acceptance
	tries         int    // failures so far; failBatch counts one before it calls fail
	bytes         int64  // data that waits for the disk with it
	stage         stage
	background    bool // it may wait for BatchInterval; others may not, retries too
	deletes       bool
	bulk          int // sessions that it deletes as a part of a command over many; see core.bulkRoom
}

func (p *pending) state() *pending { return p }

// prepare and surrender are as most operations have them.
func (*pending) prepare(*core, *batch) bool { return true }

// surrender says what Close leaves undone. What ends sessions has refused them in memory, and
// memory is about to end: its caller must know that they may be back.
func (p *pending) surrender(c *core) {
	err := ErrClosed
	if p.deletes {
		err = notDurable(err)
	}
	c.failAll(&p.waiters, err)
}

// opqueue holds the operations that are not in flight. urgent and stuck are counted, because
// every step asks for them.
type opqueue struct {
	ready   []operation              // in order of acceptance
	delayed agenda.Agenda[operation] // by the tick of their next try
	urgent  int                      // of ready, those that may not wait for BatchInterval
	stuck   int                      // of delayed, deletions
}

// accept puts a new operation at the end of the queue. That changes the epoch: whoever has read
// a row before may not trust it.
func (c *core) accept(op operation) {
	p := op.state()
	c.seq++ // one sequence with changes: a single number names all that a Sync must wait for
	p.order, p.since = c.seq, c.tick
	p.holdsBack = p.order
	c.epochChanges++
	c.bytes += p.bytes
	c.ops.push(op)
}

// push makes an operation the last one that is ready.
func (q *opqueue) push(op operation) {
	p := op.state()
	p.stage = ready
	if !p.background {
		q.urgent++
	}
	q.ready = append(q.ready, op)
}

// take removes up to n operations, the first ones, but of bulk no more than there is room
// for. They are valid until the next push. An empty queue lets go of its array: a burst of
// 100,000 must not hold memory for good.
func (q *opqueue) take(n, room int) []operation {
	n = min(n, len(q.ready))
	if slices.ContainsFunc(q.ready[:n], isBulk) {
		return q.takeAround(n, room)
	}
	l := q.ready[:n:n]
	for _, op := range l {
		q.uncount(op)
	}
	if q.ready = q.ready[n:]; len(q.ready) == 0 {
		q.ready = nil
	}
	return l
}

// uncount notes an operation that leaves the queue, for whatever reason.
func (q *opqueue) uncount(op operation) {
	if !op.state().background {
		q.urgent--
	}
}

// batch is what is being committed, and whom its items belong to. One is in flight at a time:
// outcomes come in the order of batches, and a session is in flight once at most.
type batch struct {
	items   *persist.Batch
	now     int64
	ops     []operation
	writes  []*dirty
	touches []*dirty
	began   int64 // tick at which it left
	hasBulk bool  // it has a part of a command over many sessions
	stale   bool  // another node changed something meanwhile
}

// nextBatch is the batch to commit now, nil if there is none. It takes, in this order:
//
//  1. operations, as they were accepted, up to BatchSize;
//  2. the changes that somebody waits for, however many there are;
//  3. if the oldest of the others has waited for long enough, those, in what room is left.
//
// The backend applies changes before operations. So an eviction sees the touches of its user,
// and a destroy wins over a change of the same session.
func (c *core) nextBatch() *persist.Batch {
	b := &batch{items: new(persist.Batch), now: c.now, began: c.tick}
	if c.exclusive { // else the backend's own clock counts
		b.items.Now = c.now
	}
	due, room := c.changesDue(), c.bulkRoom()
	if len(c.ops.ready) > 0 {
		c.fillOps(b, room)
	}
	c.fillDurable(b)
	if due { // a share of the batch is theirs, or a flood of operations would starve them
		c.fillOldest(b, max(c.cfg.BatchSize-b.items.Len(), c.cfg.BatchSize/4, 1))
	}
	if b.items.Len() == 0 {
		return nil
	}
	c.inFlight, c.bulk.last = b, b.hasBulk
	c.stats.Batches++
	c.stats.BatchItems += uint64(b.items.Len())
	return b.items
}

// fillOps takes the operations in their order. The last look of each may end it, or take
// changes along on which its outcome depends.
func (c *core) fillOps(b *batch, room int) {
	for _, op := range c.ops.take(c.cfg.BatchSize, room) {
		if !op.prepare(c, b) {
			continue
		}
		b.hasBulk = b.hasBulk || isBulk(op)
		op.state().stage = inFlight
		b.ops = append(b.ops, op)
		b.items.Ops = append(b.items.Ops, op.encode())
	}
}

// fillDurable takes the changes that somebody waits for. Of a session that has ended since,
// its operation tells.
func (c *core) fillDurable(b *batch) {
	for _, d := range c.durable {
		d.asked = false
		if c.dirty[d.entry.ID()] == d && d.elem != nil {
			c.fill(b, d)
		}
	}
	c.durable = nil
}

// batchDone is the end of a commit.
type batchDone struct {
	result persist.Result
	err    error
}

// handle gives every item of the batch its outcome, in the order in which the backend applied
// them. What goes back to the queue goes there before operations settle: an operation may end
// a session, and must find its changes in the queue to take them out.
func (m batchDone) handle(c *core) {
	b := c.inFlight
	c.inFlight, c.passed = nil, true
	if m.err == nil && !aligned(b.items, m.result) {
		m.err = fmt.Errorf("%w: the backend's result does not match its batch", persist.ErrUnknown)
	}
	if m.err != nil {
		c.failBatch(b, m.err)
		return
	}
	if c.retry.n > 0 {
		c.event(Event{Kind: EventRecovered})
	}
	c.retry = backoff{}
	c.stats.CommitTimes.add(c.tick-b.began, FirstCommitTime)
	c.stats.BatchSizes.add(int64(b.items.Len()), FirstBatchSize)
	c.bulk.learn(c.tick-b.began, b.hasBulk)
	for i, d := range b.writes {
		d.settle(c, m.result.Writes[i])
	}
	for i, d := range b.touches {
		d.settle(c, m.result.Touches[i])
	}
	if len(c.requeued) > 0 {
		c.putBack()
	}
	for i, op := range b.ops {
		op.settle(c, b, m.result.Ops[i])
	}
	if len(c.unfinished) > 0 {
		c.ops.putBack(c.unfinished)
		c.unfinished = nil
	}
	if len(c.tombstones.committed) > 0 {
		c.pruneTombstones()
	}
}

// aligned reports whether a result has one outcome for each item. If not, nobody can say
// which item it is about, and the whole batch counts as of unknown outcome.
func aligned(b *persist.Batch, r persist.Result) bool {
	return len(r.Ops) == len(b.Ops) && len(r.Writes) == len(b.Writes) && len(r.Touches) == len(b.Touches)
}

// changesDue reports whether what nobody waits for has waited for long enough, or has
// come together in a batch's number.
func (c *core) changesDue() bool {
	return c.closing || c.syncs.n > 0 || c.queue.Len() >= c.cfg.BatchSize || c.tick >= c.oldestTick()+c.cfg.BatchInterval.Microseconds()
}

// oldestTick is that of the oldest change or operation that waits for a batch. Where there is
// none it is far ahead, with room for a BatchInterval before it overflows.
func (c *core) oldestTick() int64 {
	at := int64(forever - 1<<40)
	if c.queue.Len() > 0 {
		at = c.queue.oldest().since
	}
	if len(c.ops.ready) > 0 {
		at = min(at, c.ops.ready[0].state().since)
	}
	return at
}

// batchAt is the tick at which the next batch leaves, or forever: at once when somebody
// waits for the disk, else when the changes are due, and after a failure not before its
// pause is over. One batch is in flight at a time. What comes meanwhile makes the next one,
// so that many callers share one fsync (group commit).
func (c *core) batchAt() int64 {
	switch {
	case c.inFlight != nil || len(c.ops.ready)+c.queue.Len() == 0:
		return forever
	case len(c.durable)+c.ops.urgent > 0 || c.changesDue():
		return max(c.tick, c.retry.at)
	default:
		return max(c.oldestTick()+c.cfg.BatchInterval.Microseconds(), c.retry.at)
	}
}

// add counts a value. The bounds are first, 2*first, 4*first and so on; a bound belongs to
// the bucket below it.
func (h *Histogram) add(value, first int64) {
	value = max(value, 0)
	h.Counts[min(bits.Len64(uint64(max(value-1, 0)/first)), HistogramBounds)]++
	h.Sum += uint64(value)
}
