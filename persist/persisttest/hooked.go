package persisttest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/sessile/sessile/persist"
)

// Method names a call of a backend.
type Method string

// The calls that have hooks.
const (
	Apply   Method = "Apply"
	ByHash  Method = "ByHash"
	ByID    Method = "ByID"
	ByUser  Method = "ByUser"
	Expired Method = "Expired"
	Watch   Method = "Watch"
	Look    Method = "Look" // of a [HookedFile] only
)

// Call is one call of a backend. Which fields count depends on Method.
type Call struct {
	Method Method
	Ctx    context.Context  // nil: Look
	Batch  *persist.Batch   // Apply
	Key    persist.TokenKey // ByHash
	ID     persist.ID       // ByID
	User   persist.UserKey  // ByUser
	Since  int64            // Expired: the key that it starts after
	Sink   persist.Sink     // Watch, Look

	// The results. They are set when After runs.
	Result  persist.Result
	Record  persist.Record
	Listing persist.Listing
	Refs    []persist.Ref // Expired
	Next    int64         // Expired
	Again   bool          // Look
	Err     error
}

// Hooks run around every call of a [Hooked] backend. Each may be nil. Calls of several
// goroutines run them concurrently.
type Hooks struct {
	Before func(*Call)       // may wait, and may change the arguments
	Fail   func(*Call) error // an error is the result, and the backend is not called
	After  func(*Call)       // may wait, and may change the results; it runs after a failure too
}

// Hooked is a backend that runs [Hooks] around the calls of another one. It is how a test
// delays, fails, counts or changes what a backend does.
type Hooked struct {
	persist.Backend
	hooks atomic.Pointer[Hooks]
}

// Hook returns a backend that calls b, with hooks around every call.
func Hook(b persist.Backend, hooks Hooks) *Hooked {
	h := &Hooked{Backend: b}
	h.Set(hooks)
	return h
}

// Set replaces the hooks. Calls that have begun keep the hooks that they began with.
func (h *Hooked) Set(hooks Hooks) { h.hooks.Store(&hooks) }

// run makes one call, and runs the hooks around it.
func (h *Hooked) run(c *Call, call func()) {
	hooks := h.hooks.Load()
	if hooks.Before != nil {
		hooks.Before(c)
	}
	if hooks.Fail != nil {
		c.Err = hooks.Fail(c)
	}
	if c.Err == nil {
		call()
	}
	if hooks.After != nil {
		hooks.After(c)
	}
}

// Apply commits a batch.
func (h *Hooked) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	c := &Call{Method: Apply, Ctx: ctx, Batch: b}
	h.run(c, func() { c.Result, c.Err = h.Backend.Apply(c.Ctx, c.Batch) })
	return c.Result, c.Err
}

// ByHash finds a session by its token.
func (h *Hooked) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	c := &Call{Method: ByHash, Ctx: ctx, Key: k}
	h.run(c, func() { c.Record, c.Err = h.Backend.ByHash(c.Ctx, c.Key) })
	return c.Record, c.Err
}

// ByID finds a session by its ID.
func (h *Hooked) ByID(ctx context.Context, id persist.ID) (persist.Record, error) {
	c := &Call{Method: ByID, Ctx: ctx, ID: id}
	h.run(c, func() { c.Record, c.Err = h.Backend.ByID(c.Ctx, c.ID) })
	return c.Record, c.Err
}

// ByUser lists a user's sessions.
func (h *Hooked) ByUser(ctx context.Context, u persist.UserKey) (persist.Listing, error) {
	c := &Call{Method: ByUser, Ctx: ctx, User: u}
	h.run(c, func() { c.Listing, c.Err = h.Backend.ByUser(c.Ctx, c.User) })
	return c.Listing, c.Err
}

// Expired returns sessions past their end.
func (h *Hooked) Expired(ctx context.Context, now, after int64, limit int) ([]persist.Ref, int64, error) {
	c := &Call{Method: Expired, Ctx: ctx, Since: after}
	h.run(c, func() { c.Refs, c.Next, c.Err = h.Backend.Expired(c.Ctx, now, c.Since, limit) })
	return c.Refs, c.Next, c.Err
}

// Watch tells s what others change.
func (h *Hooked) Watch(ctx context.Context, s persist.Sink) error {
	c := &Call{Method: Watch, Ctx: ctx, Sink: s}
	h.run(c, func() { c.Err = h.Backend.Watch(c.Ctx, c.Sink) })
	return c.Err
}

// HookedFile is a [Hooked] with the optional interfaces of a backend that keeps a file. If
// the backend below lacks one of them, the call reports nothing.
type HookedFile struct{ *Hooked }

// Look tells s what has happened since the last Look.
func (h HookedFile) Look(s persist.Sink) (again bool) {
	c := &Call{Method: Look, Sink: s}
	h.run(c, func() {
		if l, ok := h.Backend.(persist.Looker); ok {
			c.Again = l.Look(c.Sink)
		}
	})
	return c.Again
}

// Inspect describes the backend's condition.
func (h HookedFile) Inspect() persist.Info {
	if i, ok := h.Backend.(persist.Inspector); ok {
		return i.Inspect()
	}
	return persist.Info{}
}

// Backup copies the backend to a file.
func (h HookedFile) Backup(ctx context.Context, path string) error {
	if b, ok := h.Backend.(persist.Backuper); ok {
		return b.Backup(ctx, path)
	}
	return errors.ErrUnsupported
}

// On limits a hook to the calls of one method.
func On(m Method, hook func(*Call)) func(*Call) {
	return func(c *Call) {
		if c.Method == m {
			hook(c)
		}
	}
}

// FailOn is a Fail hook that fails the calls of one method.
func FailOn(m Method, err error) func(*Call) error {
	return func(c *Call) error {
		if c.Method == m {
			return err
		}
		return nil
	}
}
