package actor

import (
	"fmt"
	"math"
	"slices"

	"github.com/sessile/sessile/persist"
)

// batch is what is being committed, and whom its items belong to. One is in flight at a time:
// outcomes come in the order of batches, and a session is in flight once at most.
type batch struct {
	items   *persist.Batch
	now     int64
	ops     []operation
	writes  []*dirty
	touches []*dirty
	began   int64 // tick at which it left
	bulk    bool  // it has a part of a command over many sessions
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
	c.inFlight, c.bulk.last = b, b.bulk
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
		b.bulk = b.bulk || isBulk(op)
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

// committed is the end of a commit.
type committed struct {
	result persist.Result
	err    error
}

// handle gives every item of the batch its outcome, in the order in which the backend applied
// them. What goes back to the queue goes there before operations settle: an operation may end
// a session, and must find its changes in the queue to take them out.
func (m committed) handle(c *core) {
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
	c.bulk.learn(c.tick-b.began, b.bulk)
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
	if len(c.again) > 0 {
		c.ops.putBack(c.again)
		c.again = nil
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
	return c.closing || c.syncs.n > 0 || c.queue.Len() >= c.cfg.BatchSize || c.tick >= c.oldest()+c.cfg.BatchInterval.Microseconds()
}

// oldest is the tick of the oldest change or operation that waits for a batch. Where there is
// none it is far ahead, with room for a BatchInterval before it overflows.
func (c *core) oldest() int64 {
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
		return max(c.oldest()+c.cfg.BatchInterval.Microseconds(), c.retry.at)
	}
}

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
	waiting := len(c.durable) > 0 || slices.ContainsFunc(c.ops.ready, awaited)
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
