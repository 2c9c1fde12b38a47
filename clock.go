package sessile

import (
	"time"

	"github.com/sessile/sessile/internal/clock"
)

// resync is how soon a step of the wall clock is noticed.
const resync = 10 * time.Millisecond

// behindLeast is how far the wall clock may be behind the store's time before
// the store calls itself degraded.
const behindLeast = time.Second

// storeClock is the store's time: [clock.Clock] over the clocks of the system, or
// of a test.
type storeClock struct {
	wall  func() time.Time     // nil = the system's
	mono  func() time.Duration // of a test with a wall clock; nil = it stands still
	start time.Time            // of the monotonic clock
	time  *clock.Clock
}

// newClock returns the clock of a store whose last commit was at the time last. It
// goes on from there: the time does not go back over a restart either. If the wall clock
// has gone back, nobody can say how long the store was closed: unproven then is the last
// time whose proofs of identity do not count.
//
// A test's wall clock without a monotonic one begins where it is.
func newClock(cfg Config, last int64) (c *storeClock, unproven int64) {
	c = &storeClock{wall: cfg.now, mono: cfg.mono, start: time.Now()}
	wall, mono := c.both()
	if cfg.now != nil && cfg.mono == nil {
		last = 0
	}
	if last-wall > behindLeast.Microseconds() {
		unproven = last + behindLeast.Microseconds() // it is known to a second
	}
	c.time = clock.New(wall, mono, max(last, unproven+1))
	return c, unproven
}

// both reads both clocks at one instant.
func (c *storeClock) both() (wall, mono int64) {
	if c.wall == nil {
		t := time.Now()
		return t.UnixMicro(), t.Sub(c.start).Microseconds()
	}
	if c.mono != nil {
		mono = c.mono().Microseconds()
	}
	return c.wall().UnixMicro(), mono
}

// micros is the time, Unix microseconds. Between two looks at the wall clock it goes on
// with the monotonic clock, which costs half as much to read (measured: 22 ns
// against 44).
func (c *storeClock) micros() int64 {
	if c.wall == nil {
		if mono := c.tick(); mono-c.time.Looked() < resync.Microseconds() {
			return c.time.At(mono)
		}
	}
	return c.time.Look(c.both())
}

// behind is by how much the wall clock is behind the time.
func (c *storeClock) behind() time.Duration {
	c.time.Look(c.both())
	return time.Duration(c.time.Behind()) * time.Microsecond
}

// tick is the monotonic clock, microseconds.
func (c *storeClock) tick() int64 { return time.Since(c.start).Microseconds() }

// Now is the store's time. It follows the wall clock ahead, and goes on by a
// monotonic clock when the wall clock is set back, until that has caught up: it
// never goes back and never stands still. Health tells when the two differ.
func (s *Store) Now() time.Time { return fromMicros(s.clock.micros()) }

func fromMicros(t int64) time.Time { return time.UnixMicro(t).UTC() }

// micros checks a time that a caller passed.
func micros(t time.Time) (int64, error) {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 9999 {
		return 0, ErrInvalidTime
	}
	return t.UnixMicro(), nil
}
