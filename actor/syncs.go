package actor

import "math"

// oldest is, of what is in flight, the lowest number that a Sync must wait for and the
// earliest tick of acceptance. A session that has ended meanwhile does not count: its
// deletion has taken its number over.
func (b *batch) oldest() (seq uint64, since int64) {
	seq, since = math.MaxUint64, forever
	if b == nil {
		return seq, since
	}
	for _, op := range b.ops {
		seq, since = min(seq, op.state().holdsBack), min(since, op.state().since)
	}
	for _, l := range [][]*dirty{b.writes, b.touches} {
		for _, d := range l {
			if d.flight.on {
				seq, since = min(seq, d.flight.first), min(since, d.flight.since)
			}
		}
	}
	return seq, since
}

// answerSyncs answers those that everything has passed: they wait in their order. It looks at
// all operations that are not on disk, so it is called only when something has come to its
// end.
func (c *core) answerSyncs() {
	for oldest := c.oldestSeq(); c.syncs.n > 0 && c.syncs.first.upTo < oldest; {
		c.answer(c.syncs.first, nil)
	}
}

// failSyncs tells those that cover a change which was given up that it is not on disk. Later
// ones do not cover it and wait on.
func (c *core) failSyncs(seq uint64, err error) {
	for x := c.syncs.first; x != nil; {
		next := x.next
		if x.upTo >= seq {
			c.fail(x, err)
		}
		x = next
	}
}

// oldestSeq is the number of the oldest change that is not on disk.
func (c *core) oldestSeq() uint64 {
	oldest, _ := c.inFlight.oldest()
	oldest = min(oldest, c.seq+1)
	if c.queue.Len() > 0 {
		oldest = min(oldest, c.queue.oldest().first)
	}
	for _, l := range [][]operation{c.ops.ready, c.ops.delayed} {
		for _, op := range l {
			oldest = min(oldest, op.state().holdsBack)
		}
	}
	return oldest
}
