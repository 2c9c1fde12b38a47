package actor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sessile/sessile/persist"
)

// batch is what is being committed, and whom its items belong to.
type batch struct {
	items   *persist.Batch
	ops     []operation
	writes  []*dirty
	touches []*dirty
	stale   bool // another node changed something meanwhile
}

const (
	retryFirst = 20 * time.Millisecond
	retryMost  = time.Second // so that recovery is noticed well within 5 s
	itemTries  = 5           // then a change that cannot be stored is given up
)

// backoff spaces the attempts to commit while they fail.
type backoff struct {
	at int64 // no attempt before that tick
	n  int   // failures in a row
}

// delay is the pause after a failure: exponential, capped, jittered. n counts failures in
// a row: the earlier ones for a batch, this one too for an operation that failed by itself.
func (c *core) delay(n int) int64 {
	d := retryMost
	if n < 8 {
		d = min(retryFirst<<n, retryMost)
	}
	return d.Microseconds()/2 + c.rng.Int64N(d.Microseconds()/2)
}

// nextBatch is the batch to commit now, nil if there is none. Its operations come in
// the order in which they were accepted; the changes that somebody waits for, and, if
// the oldest has waited for long enough, as many of the others as there is room for.
func (c *core) nextBatch() *persist.Batch {
	b := &batch{items: &persist.Batch{Now: c.now}}
	due := c.changesDue()
	if len(c.ops.ready) > 0 {
		c.fillOps(b)
	}
	c.fillDurable(b)
	if due { // a share of the batch is theirs, or a flood of operations would starve them
		c.fillOldest(b, max(c.cfg.BatchSize-b.items.Len(), c.cfg.BatchSize/4, 1))
	}
	if b.items.Len() == 0 {
		return nil
	}
	c.inFlight = b
	c.stats.Batches++
	c.stats.BatchItems += uint64(b.items.Len())
	return b.items
}

// fillOps takes the operations in their order, with what their outcome depends on.
func (c *core) fillOps(b *batch) {
	for _, op := range c.ops.take(c.cfg.BatchSize) {
		if !op.prepare(c, b) {
			continue
		}
		op.state().stage = inFlight
		b.ops = append(b.ops, op)
		b.items.Ops = append(b.items.Ops, op.encode())
	}
}

// fillUser takes the changes of a user who logs in: the least recently active
// session is chosen on disk.
func (c *core) fillUser(b *batch, user string) {
	for e := range c.hot.ByUser(user) {
		if d := c.dirty[e.ID()]; d != nil && d.elem != nil {
			c.fill(b, d)
		}
	}
}

// fillDurable takes the changes that somebody waits for.
func (c *core) fillDurable(b *batch) {
	for _, d := range c.durable {
		d.asked = false
		if c.dirty[d.entry.ID()] == d && d.elem != nil {
			c.fill(b, d)
		}
	}
	c.durable = nil
}

// fillOldest takes n changes: the oldest with its neighbours on disk, then the oldest
// of those that are left with its own.
func (c *core) fillOldest(b *batch, n int) {
	var d *dirty
	for ; n > 0 && c.queue.Len() > 0; n-- {
		if d != nil {
			d = c.queue.neighbour(d)
		}
		if d == nil {
			d = c.queue.oldest()
		}
		c.fill(b, d)
	}
}

// fill takes one dirty session out of the queue into the batch.
func (c *core) fill(b *batch, d *dirty) {
	c.queue.take(d)
	v := d.entry.Value()
	d.flight = flight{on: true, data: d.data, retime: d.retime, next: v.Version, first: d.first, since: d.since}
	d.wait.moveTo(&d.flight.wait)
	var retime *persist.Retime
	if d.retime {
		retime = v.retime()
	}
	d.data, d.retime = false, false
	if !d.flight.data {
		b.touches = append(b.touches, d)
		b.items.Touches = append(b.items.Touches, persist.Touch{
			Ref: v.Ref(), Retime: retime, LastActive: v.LastActive, ExpiresAt: v.ExpiresAt,
		})
		return
	}
	b.writes = append(b.writes, d)
	b.items.Writes = append(b.items.Writes, persist.Write{
		Ref: v.Ref(), Retime: retime, If: d.base, Next: v.Version, Data: v.Doc.JSON,
		LastActive: v.LastActive, ExpiresAt: v.ExpiresAt,
	})
}

// committed is the end of a commit.
type committed struct {
	result persist.Result
	err    error
}

// handle gives every item of the batch its outcome.
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
		c.event(Event{Kind: Recovered})
	}
	c.retry = backoff{}
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
	if len(c.tombstones.committed) > 0 {
		c.pruneTombstones()
	}
}

func aligned(b *persist.Batch, r persist.Result) bool {
	return len(r.Ops) == len(b.Ops) && len(r.Writes) == len(b.Writes) && len(r.Touches) == len(b.Touches)
}

// failBatch takes a whole batch back: changes always, of the operations those that must
// be done all the same.
func (c *core) failBatch(b *batch, err error) {
	c.stats.BatchFailures++
	c.stats.LastError, c.stats.LastErrorAt = err, c.now
	if c.retry.n == 0 {
		c.stats.FailingSince = max(c.tick, 1)
		c.event(Event{Kind: WriteFailed, Err: err})
	}
	if errors.Is(err, persist.ErrReplaced) { // who waits for the disk might wait for ever
		c.failSyncs(0, err)
	}
	c.retry.at = c.tick + c.delay(c.retry.n)
	c.retry.n++
	for _, d := range slices.Concat(b.writes, b.touches) {
		if c.dirty[d.entry.ID()] == d && d.flight.on {
			c.failAll(&d.flight.wait, err)
			d.requeue(c)
		}
	}
	c.putBack()
	unknown := !errors.Is(err, persist.ErrUnavailable)
	var again []operation
	for _, op := range b.ops {
		op.state().tries++
		if op.fail(c, b, err, unknown) {
			again = append(again, op)
		}
	}
	c.ops.putBack(again)
}
