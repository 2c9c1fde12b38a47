package actor

import (
	"math"
	"slices"
)

// bulkRows is how many sessions a command over many deletes with one commit: enough to
// share an fsync, few enough to take it little longer than without.
const bulkRows = 64

// bulkRoom is how many sessions of commands over many the next batch may delete, beside
// what it does for others. None if somebody else waits and the batch before had some: so a
// login waits for one such batch at most, and such commands get every second one.
func (c *core) bulkRoom() int {
	switch {
	case c.closing:
		return math.MaxInt
	case c.bulkLast && (len(c.durable) > 0 || slices.ContainsFunc(c.ops.ready, awaited)):
		return 0
	default:
		return c.bulkRows
	}
}

func isBulk(op operation) bool { return op.state().bulk > 0 }

// awaited reports whether somebody waits for an operation that is no bulk.
func awaited(op operation) bool { return !isBulk(op) && !op.state().background }

// takeAround is take where some stay behind.
func (q *opqueue) takeAround(n, room int) (l []operation) {
	var left []operation
	for _, op := range q.ready {
		k := op.state().bulk
		if len(l) == n || k > room {
			left = append(left, op)
			continue
		}
		room -= k
		q.taken(op)
		l = append(l, op)
	}
	q.ready = left
	return l
}
