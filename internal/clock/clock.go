// Package clock computes the time that a store uses. It reads no clock itself. It gets the readings of
// a wall clock, which may be set, and of a monotonic clock, which may not. All times are in
// microseconds. Wall-clock times are since 1970.
package clock

import "sync/atomic"

// Clock combines a wall clock and a monotonic clock: now = max(wall, last + monotonic elapsed). If the
// wall clock is set ahead, the time follows it. If the wall clock is set back, the time continues with
// the monotonic clock. So the time never goes back and never stands still.
//
// Clock stores the difference between its time and the monotonic clock, its base, which never
// decreases. Where the system slews both clocks alike (adjtime, NTP), as Linux does, slewing does not
// change the base. On other systems, a quartz that is 50 ppm fast makes the time run four seconds a day
// ahead of the wall clock.
//
// A Clock is safe for concurrent use. It neither locks nor allocates.
type Clock struct {
	base   atomic.Int64 // time minus monotonic; never decreases
	offset atomic.Int64 // wall minus monotonic at the last look
	looked atomic.Int64 // monotonic time of the last look
}

// New returns a Clock that starts at wall, but not before least.
func New(wall, mono, least int64) *Clock {
	c := new(Clock)
	c.base.Store(max(wall, least) - mono)
	c.offset.Store(wall - mono)
	c.looked.Store(mono)
	return c
}

// At returns the time at the monotonic reading mono.
func (c *Clock) At(mono int64) int64 { return c.base.Load() + mono }

// Looked returns the monotonic reading at the last look at the wall clock.
func (c *Clock) Looked() int64 { return c.looked.Load() }

// Look records the readings of both clocks at one moment and returns the time.
func (c *Clock) Look(wall, mono int64) int64 {
	offset := wall - mono
	c.offset.Store(offset)
	c.looked.Store(mono)
	for {
		base := c.base.Load()
		if offset <= base {
			return base + mono
		}
		if c.base.CompareAndSwap(base, offset) {
			return wall
		}
	}
}

// Behind returns how far the wall clock was behind the time at the last look, or 0.
func (c *Clock) Behind() int64 { return max(c.base.Load()-c.offset.Load(), 0) }
