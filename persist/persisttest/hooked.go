package persisttest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/sessile/sessile/persist"
)

// Method names a method of a backend.
type Method string

// The methods that have hooks.
const (
	Apply   Method = "Apply"
	ByHash  Method = "ByHash"
	ByID    Method = "ByID"
	ByUser  Method = "ByUser"
	Expired Method = "Expired"
	Search  Method = "Search"
	Count   Method = "Count"
	Watch   Method = "Watch"
	Look    Method = "Look" // only of a [HookedFile]
)

// Call is one call of a backend. Method decides which fields are set.
type Call struct {
	Method Method
	Ctx    context.Context  // nil for Look
	Batch  *persist.Batch   // Apply
	Key    persist.TokenKey // ByHash
	ID     persist.ID       // ByID
	User   persist.UserKey  // ByUser
	Since  int64            // Expired: the key to start after
	Query  persist.Query    // Search
	Sink   persist.Sink     // Watch, Look

	// The results, set before After runs.
	Result  persist.Result
	Record  persist.Record
	Listing persist.Listing
	Refs    []persist.Ref // Expired
	Next    int64         // Expired
	Page    persist.Page  // Search
	Count   int           // Count
	Again   bool          // Look
	Err     error
}

// Hooks run around every call of a [Hooked] backend. Each may be nil. Concurrent calls run them
// concurrently.
type Hooks struct {
	Before func(*Call)       // may block, and may change the arguments
	Fail   func(*Call) error // if it returns an error, that is the result, and the backend is not called
	After  func(*Call)       // may block, and may change the results; also runs after a failure
}

// Hooked is a backend that runs [Hooks] around the calls of another backend. Tests use it to
// delay, fail, count or change calls.
type Hooked struct {
	persist.Backend
	hooks atomic.Pointer[Hooks]
}

// Hook returns a backend that calls b and runs hooks around every call.
func Hook(b persist.Backend, hooks Hooks) *Hooked {
	h := &Hooked{Backend: b}
	h.Set(hooks)
	return h
}

// Set replaces the hooks. A running call keeps the hooks that it started with.
func (h *Hooked) Set(hooks Hooks) { h.hooks.Store(&hooks) }

// run makes one call with the hooks around it.
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

// ByHash finds a session by its token hash.
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

// ByUser lists the sessions of a user.
func (h *Hooked) ByUser(ctx context.Context, u persist.UserKey) (persist.Listing, error) {
	c := &Call{Method: ByUser, Ctx: ctx, User: u}
	h.run(c, func() { c.Listing, c.Err = h.Backend.ByUser(c.Ctx, c.User) })
	return c.Listing, c.Err
}

// Expired returns sessions that have ended.
func (h *Hooked) Expired(ctx context.Context, now, after int64, limit int) ([]persist.Ref, int64, error) {
	c := &Call{Method: Expired, Ctx: ctx, Since: after}
	h.run(c, func() { c.Refs, c.Next, c.Err = h.Backend.Expired(c.Ctx, now, c.Since, limit) })
	return c.Refs, c.Next, c.Err
}

// Search returns a page of the stored sessions.
func (h *Hooked) Search(ctx context.Context, q persist.Query) (persist.Page, error) {
	c := &Call{Method: Search, Ctx: ctx, Query: q}
	h.run(c, func() { c.Page, c.Err = h.Backend.Search(c.Ctx, c.Query) })
	return c.Page, c.Err
}

// Count returns how many sessions are stored.
func (h *Hooked) Count(ctx context.Context) (int, error) {
	c := &Call{Method: Count, Ctx: ctx}
	h.run(c, func() { c.Count, c.Err = h.Backend.Count(c.Ctx) })
	return c.Count, c.Err
}

// Watch reports changes by other nodes to s.
func (h *Hooked) Watch(ctx context.Context, s persist.Sink) error {
	c := &Call{Method: Watch, Ctx: ctx, Sink: s}
	h.run(c, func() { c.Err = h.Backend.Watch(c.Ctx, c.Sink) })
	return c.Err
}

// HookedFile is a [Hooked] with the optional interfaces of a file backend. If the backend below
// lacks one of them, that call returns zero values.
type HookedFile struct{ *Hooked }

// Look reports to s what has happened since the last Look.
func (h HookedFile) Look(s persist.Sink) (again bool) {
	c := &Call{Method: Look, Sink: s}
	h.run(c, func() {
		if l, ok := h.Backend.(persist.Looker); ok {
			c.Again = l.Look(c.Sink)
		}
	})
	return c.Again
}

// Inspect returns the backend's condition.
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

// On restricts a hook to the calls of one method.
func On(m Method, hook func(*Call)) func(*Call) {
	return func(c *Call) {
		if c.Method == m {
			hook(c)
		}
	}
}

// FailOn returns a Fail hook that fails the calls of one method.
func FailOn(m Method, err error) func(*Call) error {
	return func(c *Call) error {
		if c.Method == m {
			return err
		}
		return nil
	}
}
