package sessile

import (
	"time"

	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/internal/clock"
)

// resync is how soon the store notices that the wall clock was set.
const resync = 10 * time.Millisecond

// behindLeast is how far the wall clock may be behind the store's time before Health reports it.
const behindLeast = time.Second

// storeClock is the store's time: a [clock.Clock] over the clocks of the system, or of a test.
type storeClock struct {
	wall  func() time.Time     // nil = the system's
	mono  func() time.Duration // a test's monotonic clock; nil = it stands still
	start time.Time            // zero of the monotonic clock
	time  *clock.Clock
}

// newClock returns the clock of a store whose last commit was at last. The time continues from
// there, so it does not go back over a restart either.
//
// If the wall clock is behind last, nobody knows how long the store was closed. Then
// authentications up to the time unproven do not count as fresh.
//
// A test's wall clock without a monotonic clock starts at its own time.
func newClock(cfg Config, last int64) (c *storeClock, unproven int64) {
	c = &storeClock{start: time.Now()}
	c.wall, c.mono = bridge.Clocks(&cfg.testClock)
	wall, mono := c.both()
	if c.wall != nil && c.mono == nil {
		last = 0
	}
	if last-wall > behindLeast.Microseconds() {
		unproven = last + behindLeast.Microseconds() // last is accurate to a second
	}
	c.time = clock.New(wall, mono, max(last, unproven+1))
	return c, unproven
}

// both reads both clocks at the same moment.
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

// micros returns the time in Unix microseconds. Between two readings of the wall clock it uses the
// monotonic clock, which costs half as much (measured: 22 ns and 44 ns).
func (c *storeClock) micros() int64 {
	if c.wall == nil {
		if mono := c.tick(); mono-c.time.Looked() < resync.Microseconds() {
			return c.time.At(mono)
		}
	}
	return c.time.Look(c.both())
}

// behind returns how far the wall clock is behind the store's time.
func (c *storeClock) behind() time.Duration {
	c.time.Look(c.both())
	return time.Duration(c.time.Behind()) * time.Microsecond
}

// tick returns the monotonic clock in microseconds.
func (c *storeClock) tick() int64 { return time.Since(c.start).Microseconds() }

// Now returns the store's time. It is the wall clock, except after the wall clock was set back:
// then it continues with the monotonic clock until the wall clock has caught up. It never goes
// back. Health reports when the two differ.
func (s *Store) Now() time.Time { return fromMicros(s.clock.micros()) }

func fromMicros(t int64) time.Time { return time.UnixMicro(t).UTC() }

// micros converts a time that a caller passed, or returns ErrInvalidTime.
func micros(t time.Time) (int64, error) {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 9999 {
		return 0, ErrInvalidTime
	}
	return t.UnixMicro(), nil
}
