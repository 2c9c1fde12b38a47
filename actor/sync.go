package actor

import "context"

// syncCommand waits until everything that was acknowledged is on disk.
type syncCommand struct {
	call
	seq uint64 // of the last change that it covers
}

// Sync returns when every change acknowledged before is on disk.
func (a *Actor) Sync(ctx context.Context) error {
	_, err := a.view(ctx, a.inbox, fresh[syncCommand](&a.pools.sync))
	return err
}

func (x *syncCommand) run(c *core) {
	x.seq = c.seq
	c.syncs.add(&x.call)
	c.passed = true
}

func seqOf(x *call) uint64 {
	return x.self.(*syncCommand).seq //nolint:forcetypeassert,errcheck // nobody else waits there
}

// answerSyncs answers those that everything has passed: they wait in their order. It looks
// at all that is not on disk, so it is asked only when something has come to its end.
func (c *core) answerSyncs() {
	for oldest := c.oldestSeq(); c.syncs.n > 0 && seqOf(c.syncs.first) < oldest; {
		c.answer(c.syncs.first, nil)
	}
}

// failSyncs tells those that cover a change which was given up that it is not on disk.
func (c *core) failSyncs(seq uint64, err error) {
	for x := c.syncs.first; x != nil; {
		next := x.next
		if seqOf(x) >= seq {
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
