package actor

import "context"

// statsCommand asks for them. It is passive: to watch a store is not to use it.
type statsCommand struct {
	call
	stats Stats
}

// Stats returns the loop's counters and gauges, with what is counted beside the loop added.
func (a *Actor) Stats(ctx context.Context) (Stats, error) {
	x := fresh[statsCommand](&a.pools.stats)
	x.passive = true
	err := a.call(ctx, a.inbox, x)
	t := x.stats
	x.recycle()
	t.Overloaded += a.refused.Load()
	t.ColdReads += a.optimisticTotal.Load()
	t.UnknownTokens += a.unknown.Load()
	return t, err
}

func (x *statsCommand) run(c *core) {
	x.stats = c.snapshot()
	c.answer(&x.call, nil)
}

// snapshot is the counters with the gauges filled in. Nothing is walked over but what is in
// flight: health checks come often, and the loop serves others meanwhile.
func (c *core) snapshot() Stats {
	t := c.stats
	t.Hot, t.HotBytes, t.CacheEvictions = c.hot.Len(), int(c.hot.Bytes()), c.hot.Evictions()
	t.Pending, t.PendingBytes = len(c.dirty)+c.ops.len(), int(c.bytes)
	if c.inFlight != nil {
		t.Pending += len(c.inFlight.ops)
	}
	t.Tombstones, t.Loads, t.Watched = c.tombstones.len(), c.loads.order.Len(), len(c.watched.byID)
	t.OldestPending = c.age()
	if c.retry.n == 0 {
		t.FailingSince = 0
	}
	t.StuckDeletes = c.ops.stuck
	t.Waiting = c.writes.n + c.reads.n
	t.Full, t.Refusing = c.full, c.refusing()
	t.LeaseLapsed = !c.trusted() && !c.use.resting()
	return t
}

// age is how long the oldest change has waited for the disk, those in flight included.
// Operations that failed by themselves do not count: their number is told.
func (c *core) age() int64 {
	_, since := c.inFlight.oldest()
	return c.tick - min(c.tick, since, c.oldestTick())
}
