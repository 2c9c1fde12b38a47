package actor

import (
	"math"
	"slices"
)

// Bounds of bulk.rows, and what it aims at.
const (
	leastRows = 8
	mostRows  = 64
	bulkTime  = 1000 // microseconds that the sessions of one commit may take
)

// bulk decides how many sessions commands over many, a log-out of a user or a clean-up,
// delete with one commit: enough to share an fsync, few enough that whoever waits for the
// commit waits about a millisecond longer. How many those are depends on machine and disk,
// so it learns from each commit.
type bulk struct {
	rows   int    // with the next commit
	most   int    // with any
	plain  int64  // about what a commit takes without them, microseconds
	last   bool   // the last batch had some
	others uint64 // batches so far that somebody else waited for
}

func newBulk() bulk { return bulk{rows: mostRows / 4, most: mostRows, plain: 1 << 40} }

// learn takes the time of a commit. The shortest one of late is what a commit takes without.
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
