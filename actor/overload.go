package actor

// What becomes of a call that finds no room: it waits, or is refused.

// drainSize is how many changes there is room for, at least, when admission opens: the gap
// between high and low water.
func (c *core) drainSize() int { return c.cfg.MaxPending / 10 }

// sustained reports whether there has been no room for too long to call it a burst. What
// had no room when the last step ended has had none until now.
func (c *core) sustained(q *waitQueue) bool {
	last := q.last
	if q.full {
		last = c.tick
	}
	return last-q.since >= c.cfg.Patience.Microseconds()
}

// patience is how long callers wait in q, microseconds.
func (c *core) patience(q *waitQueue) int64 {
	if c.sustained(q) {
		return c.cfg.Patience.Microseconds() / shortPatience
	}
	return c.cfg.Patience.Microseconds()
}

// tooMany reports whether nobody may join q. Where there has been no room for long,
// no more wait than one drain takes.
func (c *core) tooMany(q *waitQueue, drain int) bool {
	n := c.cfg.MaxWaiting
	if c.sustained(q) {
		n = min(n, max(drain, 1))
	}
	return q.n >= n
}

// enqueue has x wait in q, or refuses it. drain is how many are let in when there is room
// again: see tooMany.
func (c *core) enqueue(q *waitQueue, x *call, drain int) {
	if c.tooMany(q, drain) {
		c.reject(x)
		return
	}
	x.queued, x.since = true, c.tick
	q.add(x)
}

// reject tells x that there is no room. Nothing was done, so the caller may try again,
// elsewhere or later.
func (c *core) reject(x *call) {
	c.stats.Overloaded++
	c.refusedAt = c.tick
	c.fail(x, ErrOverloaded)
}

func (c *core) admit(q *waitQueue) {
	x := q.take()
	x.queued = false
	x.self.run(c)
}

// patienceEnds is the tick at which the first caller in q is refused.
func (c *core) patienceEnds(q *waitQueue) int64 { return q.first.since + c.patience(q) }
