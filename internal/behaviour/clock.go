package behaviour

import (
	"sync/atomic"
	"time"
)

// Clock is a wall clock that stands still until a test sets it. Several goroutines may read it.
type Clock struct {
	micros atomic.Int64
	tell   func(time.Time) // the backend's clock; nil if it has none
}

// NewClock returns a clock that shows a time in May 2026.
func NewClock() *Clock {
	c := new(Clock)
	c.Set(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC))
	return c
}

// Now returns the time, to the microsecond.
func (c *Clock) Now() time.Time { return time.UnixMicro(c.micros.Load()).UTC() }

// Set sets the clock, also back.
func (c *Clock) Set(t time.Time) {
	c.micros.Store(t.UnixMicro())
	if c.tell != nil {
		c.tell(t)
	}
}

// Advance sets the clock forward, or back if d is negative.
func (c *Clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }
