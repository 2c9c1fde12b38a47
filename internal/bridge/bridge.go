// Package bridge gives package middleware the parts of a store that only it may use: announced
// accesses, its own events, and facts about the token of a request. An application must not have them,
// because it could forge events. It also gives tests the clocks of a store.
//
// Go has no friend packages, and an exported method would be part of the public API. So sessile.Store
// embeds a Holder under an unexported name. The only method of a Holder is unexported. Only Of can call
// it, and only this module can import Of. A function variable set by the root would work too, but would
// need an init function.
package bridge

import "time"

// Holder holds the functions that a store offers to the middleware.
type Holder struct{ calls any }

// Hold returns a Holder of calls.
func Hold(calls any) Holder { return Holder{calls} }

func (h Holder) held() any { return h.calls }

// Of returns the functions of a store. The caller declares the interface that it needs.
func Of(store interface{ held() any }) any { return store.held() }

// Found is what a lookup learns besides the session.
type Found struct {
	// TouchDue: the last access is older than Config.TouchInterval, or than half of the session's TTL.
	TouchDue bool
	// AnnounceDue: the same is true of the last access that was announced to the client.
	AnnounceDue bool
	// SuccessorLost: the token was replaced, and nobody has presented its successor for a minute. The
	// response with the successor must have been lost. A rotation From this token, with a grace, then
	// replaces the successor.
	SuccessorLost bool
}

// Clock replaces the clocks of a store under test. sessile.Config embeds one under an unexported name.
// The zero value is the clocks of the system.
type Clock struct {
	wall func() time.Time
	mono func() time.Duration
}

func (c *Clock) clock() *Clock { return c }

// SetClock gives a *sessile.Config a wall clock, and a monotonic clock by which time goes on when the wall
// clock is set back. Without a monotonic clock (nil) time stands still then.
func SetClock(cfg interface{ clock() *Clock }, wall func() time.Time, mono func() time.Duration) {
	*cfg.clock() = Clock{wall, mono}
}

// Clocks returns what SetClock has set, or nil.
func Clocks(c *Clock) (wall func() time.Time, mono func() time.Duration) { return c.wall, c.mono }
