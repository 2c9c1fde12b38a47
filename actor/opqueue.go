package actor

import (
	"cmp"
	"iter"
	"slices"

	"github.com/sessile/sessile/persist"
)

// operation is what leaves as a persist.Op. A create, a rotation or a destroy is answered
// when it is on disk, a seenOp when it is accepted. An operation outlives its callers: one
// that may have been done, or must be, is tried again when nobody waits any more.
type operation interface {
	scheduled
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
	ready    stage = iota + 1 // it leaves with the next batch
	inFlight                  // it is being committed
	delayed                   // it failed by itself, and waits for its time
)

// pending is what all operations have.
type pending struct {
	moment            // when it is ready again, if it is delayed
	waiters           // who waits for it; nobody, if it is a retry or a clean-up
	order      uint64 // of acceptance
	holdsBack  uint64 // lowest change number that a Sync must not report before this is done
	since      int64  // tick of its acceptance
	tries      int    // failures so far; failBatch counts one before it calls fail
	bytes      int64  // data that waits for the disk with it
	stage      stage
	background bool // it may wait for BatchInterval; others may not, retries too
	deletes    bool
}

func (p *pending) state() *pending { return p }

// prepare and surrender are as most operations have them.
func (*pending) prepare(*core, *batch) bool { return true }

func (p *pending) surrender(c *core) { c.failAll(&p.waiters, ErrClosed) }

// opqueue holds the operations that are not in flight.
type opqueue struct {
	ready   []operation       // in order of acceptance
	delayed agenda[operation] // by the tick of their next try
	urgent  int               // of ready, those that may not wait for BatchInterval
	stuck   int               // of delayed, deletions
}

func (q *opqueue) len() int { return len(q.ready) + len(q.delayed) }

// accept puts a new operation at the end of the queue.
func (c *core) accept(op operation) {
	p := op.state()
	p.order, p.since = c.nextSeq(), c.tick
	p.holdsBack = p.order
	c.epochChanges++
	c.bytes += p.bytes
	c.ops.push(op)
}

func (q *opqueue) push(op operation) {
	p := op.state()
	p.stage = ready
	if !p.background {
		q.urgent++
	}
	q.ready = append(q.ready, op)
}

// take removes up to n operations, the first ones. They are valid until the next push.
func (q *opqueue) take(n int) []operation {
	n = min(n, len(q.ready))
	l := q.ready[:n:n]
	for _, op := range l {
		q.taken(op)
	}
	if q.ready = q.ready[n:]; len(q.ready) == 0 {
		q.ready = nil
	}
	return l
}

func (q *opqueue) taken(op operation) {
	if !op.state().background {
		q.urgent--
	}
}

// drop removes an operation that is ready, and returns whether it was.
func (q *opqueue) drop(op operation) bool {
	p := op.state()
	if p.stage != ready {
		return false
	}
	i, ok := slices.BinarySearchFunc(q.ready, p.order, func(x operation, n uint64) int { return cmp.Compare(x.state().order, n) })
	if ok {
		q.ready = slices.Delete(q.ready, i, i+1)
		q.taken(op)
	}
	return ok
}

// putBack makes operations ready again, each in its place: after what it may build on.
func (q *opqueue) putBack(l []operation) {
	for _, op := range l {
		q.push(op)
	}
	slices.SortFunc(q.ready, func(a, b operation) int { return cmp.Compare(a.state().order, b.state().order) })
}

// postpone has an operation wait until its next try.
func (c *core) postpone(op operation, err error) {
	p := op.state()
	p.tries++
	p.stage = delayed
	c.ops.delayed.set(op, c.tick+c.delay(p.tries))
	if p.deletes {
		c.ops.stuck++
	}
	c.stats.LastError, c.stats.LastErrorAt = err, c.now
}

// release gives operations that failed by themselves their next try.
func (q *opqueue) release(tick int64) {
	var l []operation
	for q.delayed.due(tick) {
		op := q.delayed[0]
		q.undelay(op)
		op.state().since = tick
		l = append(l, op)
	}
	if len(l) > 0 {
		q.putBack(l)
	}
}

// undelay takes an operation out of those that wait for their time.
func (q *opqueue) undelay(op operation) {
	q.delayed.remove(op)
	if op.state().deletes {
		q.stuck--
	}
}

// all yields the operations that are not in flight.
func (q *opqueue) all() iter.Seq[operation] {
	return func(yield func(operation) bool) {
		for _, l := range [][]operation{q.ready, q.delayed} {
			for _, op := range l {
				if !yield(op) {
					return
				}
			}
		}
	}
}
