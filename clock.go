package sessile

import (
	"sync/atomic"
	"time"
)

// clock is the store's time: the wall clock, except that it never goes back.
// What was once seen expired stays so when the wall clock is set back (S29).
type clock struct {
	now  func() time.Time
	high atomic.Int64 // latest time that decided anything, Unix microseconds
}

// micros is the time for a decision that changes nothing if it is active.
func (c *clock) micros() int64 { return max(c.now().UnixMicro(), c.high.Load()) }

// advance is micros, and makes sure that no later answer is earlier.
func (c *clock) advance() int64 {
	t := c.now().UnixMicro()
	for {
		h := c.high.Load()
		if t <= h {
			return h
		}
		if c.high.CompareAndSwap(h, t) {
			return t
		}
	}
}

// Now is the store's time. It follows the wall clock, but is never before
// anything that the store has decided.
func (s *Store) Now() time.Time { return fromMicros(s.clock.micros()) }

func fromMicros(t int64) time.Time { return time.UnixMicro(t).UTC() }

// micros checks a time that a caller passed.
func micros(t time.Time) (int64, error) {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 9999 {
		return 0, ErrInvalidTime
	}
	return t.UnixMicro(), nil
}
