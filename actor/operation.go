package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// operation is what leaves as a persist.Op. A create, a rotation or a destroy is answered
// when it is on disk, a seenOp when it is accepted. An operation outlives its callers: if it
// fails they are told, and one that must be done, or may have been, is tried again all the same.
// Others may come to wait for the retry of a destroy: see join and joinable. So every operation
// may be applied twice, and the second time must do no harm.
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
	bulk       int // sessions that it deletes as a part of a command over many; see core.bulkRoom
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
	ready   []operation       // in order of acceptance
	delayed agenda[operation] // by the tick of their next try
	urgent  int               // of ready, those that may not wait for BatchInterval
	stuck   int               // of delayed, deletions
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
		q.taken(op)
	}
	if q.ready = q.ready[n:]; len(q.ready) == 0 {
		q.ready = nil
	}
	return l
}

// taken counts an operation that leaves the queue, for whatever reason.
func (q *opqueue) taken(op operation) {
	if !op.state().background {
		q.urgent--
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
		q.taken(op)
		l = append(l, op)
	}
	q.ready = left
	return l
}

func isBulk(op operation) bool { return op.state().bulk > 0 }

// awaited reports whether somebody waits for an operation that is no bulk.
func awaited(op operation) bool { return !isBulk(op) && !op.state().background }
