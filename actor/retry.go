package actor

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/sessile/sessile/persist"
)

const (
	retryFirst = 20 * time.Millisecond
	retryMost  = time.Second // so that everything is written within 5 s after a disk has recovered, which RELIABILITY.md promises
	itemTries  = 5           // then a change that cannot be stored is given up
)

// backoff spaces the attempts to commit while they fail. It is the batch's: items that fail
// by themselves have their own pauses, and hold nothing up.
type backoff struct {
	at int64 // no attempt before that tick
	n  int   // failures in a row
}

// delay is the pause after a failure: exponential, capped, jittered. n counts the failures in a
// row before this one.
func (c *core) delay(n int) int64 {
	d := retryMost
	if n < 8 {
		d = min(retryFirst<<n, retryMost)
	}
	return d.Microseconds()/2 + c.rng.Int64N(d.Microseconds()/2)
}

// failBatch takes a whole batch back: changes always, of the operations those that must be
// done all the same. Unless the backend knows that it began nothing (persist.ErrUnavailable),
// all of it may have been done.
//
// Callers are told at once rather than when a retry succeeds: nobody knows when that is.
// Changes go back first: an operation that fails may end a session, and must find its changes
// in the queue.
func (c *core) failBatch(b *batch, err error) {
	c.stats.BatchFailures++
	c.stats.LastError, c.stats.LastErrorAt, c.stats.FailedAt = err, c.now, c.tick
	if c.retry.n == 0 {
		c.stats.FailingSince = max(c.tick, 1)
		c.event(Event{Kind: EventWriteFailed, Err: err})
	}
	if errors.Is(err, persist.ErrFileReplaced) { // who waits for the disk might wait for ever
		c.failSyncs(0, err)
	}
	c.retry.at = c.tick + c.delay(c.retry.n)
	c.retry.n++
	for _, d := range slices.Concat(b.writes, b.touches) {
		c.failAll(&d.flight.wait, err)
		if !c.exclusive && d.flight.data {
			d.giveUp(c)
		} else if c.dirty[d.entry.ID()] == d && d.flight.on {
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

// giveUp forgets a change that has failed where others write too. Its caller has been told. It
// may be done all the same, so the row is read again.
func (d *dirty) giveUp(c *core) { c.outdated(d.entry.ID()) }

// failed handles a change that the disk refuses by itself. It waits its turn again. After
// itemTries it is given up, and memory forgets it: a session must not show for hours what a
// restart would lose. Syncs that cover it fail.
//
// Where others write too, a change of data is given up at once: its caller is told that nothing
// was done.
func (d *dirty) failed(c *core, err error) {
	if !c.exclusive && d.flight.data {
		c.failAll(&d.flight.wait, unavailable(err))
		c.quarantined(d, err)
		d.giveUp(c)
		return
	}
	c.failAll(&d.flight.wait, err)
	if d.tries++; d.tries < itemTries {
		d.flight.since = c.tick // not at once
		d.requeue(c)
		return
	}
	c.failSyncs(d.flight.first, err)
	c.quarantined(d, err)
	c.dropSession(d.entry, err)
}

// quarantined tells that a change is given up.
func (c *core) quarantined(d *dirty, err error) {
	c.stats.Quarantined++
	c.event(Event{Kind: EventQuarantined, ID: d.entry.ID(), UserID: d.flight.view.UserID, Err: err})
}

// requeue takes back what was in flight, with its old number and tick: it is as late as it
// was. The entry's current view is never older than what failed. putBack ends it, for all of
// a batch at once: to sort thousands in one by one would be slow.
func (d *dirty) requeue(c *core) {
	c.queue.take(d)
	d.data, d.retime = d.data || d.flight.data, d.retime || d.flight.retime
	d.touch = cmp.Or(d.touch, d.flight.touch)
	d.flight.wait.moveTo(&d.wait)
	if d.wait.n > 0 {
		c.ask(d)
	}
	d.first, d.since = d.flight.first, d.flight.since
	d.flight = flight{}
	c.requeued = append(c.requeued, d)
}

// putBack queues what was taken back.
func (c *core) putBack() {
	c.queue.putBack(c.requeued)
	clear(c.requeued)
	c.requeued = c.requeued[:0]
}

// postpone has an operation that failed by itself wait until its next try. Others may
// overtake it meanwhile: one row that the disk refuses must not hold up every login.
func (c *core) postpone(op operation, err error) {
	p := op.state()
	p.stage = delayed
	c.ops.delayed.Set(op, c.tick+c.delay(p.tries))
	p.tries++
	if p.deletes {
		c.ops.stuck++
	}
	c.stats.LastError, c.stats.LastErrorAt = err, c.now
}

// release gives operations that failed by themselves their next try. Their age starts anew,
// their place does not.
func (q *opqueue) release(tick int64) {
	var l []operation
	for q.delayed.Due(tick) {
		op := q.delayed[0]
		q.undelay(op)
		op.state().since = tick
		l = append(l, op)
	}
	if len(l) > 0 {
		q.putBack(l)
	}
}

// undelay takes an operation out of those that wait for their time: for its next try, or
// because it is over.
func (q *opqueue) undelay(op operation) {
	q.delayed.Remove(op)
	if op.state().deletes {
		q.stuck--
	}
}

// putBack makes operations ready again, each in its place by order of acceptance: a rotation
// builds on the one before, and a destroy must follow the create that it ends.
func (q *opqueue) putBack(l []operation) {
	for _, op := range l {
		q.push(op)
	}
	slices.SortFunc(q.ready, func(a, b operation) int { return cmp.Compare(a.state().order, b.state().order) })
}

// takeBack undoes the acceptance of an operation whose caller gives up. In flight it may
// have been done already: then it goes on, and the caller is told that nobody knows.
func (c *core) takeBack(op interface {
	operation
	end(c *core)
},
) error {
	if !c.ops.drop(op) {
		return persist.ErrUnknown
	}
	op.end(c)
	return nil
}

// drop removes an operation that is ready, and returns whether it was. The queue is sorted by
// order, so a binary search finds it, among 100,000 too.
func (q *opqueue) drop(op operation) bool {
	p := op.state()
	if p.stage != ready {
		return false
	}
	i, ok := slices.BinarySearchFunc(q.ready, p.order, func(x operation, n uint64) int { return cmp.Compare(x.state().order, n) })
	if ok {
		q.ready = slices.Delete(q.ready, i, i+1)
		q.uncount(op)
	}
	return ok
}

func (q *opqueue) len() int { return len(q.ready) + len(q.delayed) }
