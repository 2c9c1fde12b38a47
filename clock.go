package sessile

import (
	"sync/atomic"
	"time"
)

// clock is the store's time: the wall clock, except that it never goes back.
// What was once seen expired stays so when the wall clock is set back (S29).
type clock struct {
	now  func() time.Time // nil = the system's
	high atomic.Int64     // latest time that decided anything, Unix microseconds

	start  time.Time    // of the monotonic clock
	synced atomic.Int64 // when the wall clock was last read, nanoseconds after start
	offset atomic.Int64 // what the wall clock said then, less that, Unix microseconds
}

// resync is how soon a step of the wall clock is noticed.
const resync = 10 * time.Millisecond

func newClock(now func() time.Time) *clock {
	c := &clock{now: now, start: time.Now()}
	c.synced.Store(-int64(resync))
	return c
}

// wall is the wall clock, Unix microseconds. Between two looks at it, it goes on
// with the monotonic clock, which costs half as much to read (measured: 22 ns
// against 44).
func (c *clock) wall() int64 {
	if c.now != nil {
		return c.now().UnixMicro()
	}
	mono := time.Since(c.start)
	if mono-time.Duration(c.synced.Load()) < resync {
		return c.offset.Load() + mono.Microseconds()
	}
	t := time.Now() // both clocks at one instant
	mono = t.Sub(c.start)
	c.offset.Store(t.UnixMicro() - mono.Microseconds())
	c.synced.Store(int64(mono))
	return t.UnixMicro()
}

// tick is the monotonic clock, microseconds.
func (c *clock) tick() int64 { return time.Since(c.start).Microseconds() }

// micros is the time for a decision that changes nothing if it is active.
func (c *clock) micros() int64 { return max(c.wall(), c.high.Load()) }

// advance is micros, and makes sure that no later answer is earlier.
func (c *clock) advance() int64 {
	t := c.wall()
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
