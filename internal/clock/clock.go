// Package clock is the rule by which a store tells the time. It owns no clock:
// it is given the readings of two, the wall clock, which may be set, and a
// monotonic one, which may not, and refuses to know where they come from. All
// times are microseconds; those of the wall are since 1970.
package clock

import "sync/atomic"

// Clock makes one time of two clocks, now = max(wall, last + monotonic elapsed):
// it follows the wall clock when that is set ahead, goes on by the monotonic one
// when it is set back, and so never goes back and never stands still.
//
// It keeps the time less the monotonic clock, its base, which never decreases. A
// wall clock that is slewed (adjtime, NTP) leaves the base alone where the system
// slews both clocks, as Linux does. Where it does not, a quartz that is 50 ppm fast
// puts the time four seconds a day ahead of the wall clock.
//
// A Clock is safe for concurrent use: it neither locks nor allocates.
type Clock struct {
	base   atomic.Int64 // time less monotonic; never decreases
	offset atomic.Int64 // wall less monotonic at the last look
	looked atomic.Int64 // monotonic time of the last look
}

// New returns a Clock whose time begins at the wall's, but not before least.
func New(wall, mono, least int64) *Clock {
	c := new(Clock)
	c.base.Store(max(wall, least) - mono)
	c.offset.Store(wall - mono)
	c.looked.Store(mono)
	return c
}

// At is the time when the monotonic clock shows mono.
func (c *Clock) At(mono int64) int64 { return c.base.Load() + mono }

// Looked is what the monotonic clock showed at the last look at the wall clock.
func (c *Clock) Looked() int64 { return c.looked.Load() }

// Look takes what both clocks show at one instant, and returns the time.
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

// Behind is by how much the wall clock was behind the time at the last look, 0 if it was not.
func (c *Clock) Behind() int64 { return max(c.base.Load()-c.offset.Load(), 0) }
