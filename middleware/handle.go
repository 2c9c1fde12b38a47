package middleware

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/sessile/sessile"
)

// Handle is a request's session. Get it with [From]. What it changes is seen by
// later reads of the same request at once, and committed before the first byte
// of the response. It is safe for concurrent use within the request.
type Handle struct {
	m   *Sessions // nil without the middleware
	req *http.Request

	mu         sync.Mutex
	session    sessile.Session
	token      sessile.Token
	has        bool // there is a session
	bearer     bool // the token came in the Authorization header: no cookies
	stale      bool // a cookie came that opens nothing
	inFlight   bool // but it did moments ago: leave it to the browser
	issue      bool // the client must get the token
	superseded bool // the token has been replaced, and is good for a grace
	left       bool // logged out in this request
	accessed   bool // the response depends on the cookie
	sent       bool // the response has begun
	pending    []change
}

// change is a pending change of one key; a nil value deletes it.
type change struct {
	key   string
	value json.RawMessage
}

// enter takes the handle for one method and notes the access.
func (h *Handle) enter() {
	h.mu.Lock()
	h.accessed = true
}

// Current returns the session as it was read or last changed; its Data lacks
// what is pending.
func (h *Handle) Current() (sessile.Session, bool) {
	h.enter()
	defer h.mu.Unlock()
	return h.session, h.has
}

// UserID returns the user of the session; "" and false for a guest or without one.
func (h *Handle) UserID() (string, bool) {
	h.enter()
	defer h.mu.Unlock()
	return h.session.UserID, h.has && h.session.UserID != ""
}

// IsAuthenticated reports whether the request has a session with a user.
func (h *Handle) IsAuthenticated() bool {
	_, ok := h.UserID()
	return ok
}

// Token returns the token of the session, to hand to a client that keeps it
// itself rather than in a cookie. Treat it as a password.
func (h *Handle) Token() (sessile.Token, bool) {
	h.enter()
	defer h.mu.Unlock()
	return h.token, h.has
}

// Get returns the value of a key, pending changes included. A key that is not
// there, and a request without a session, is zero, false and no error.
func Get[T any](h *Handle, key string) (T, bool, error) {
	h.enter()
	defer h.mu.Unlock()
	return get[T](h, key)
}

func get[T any](h *Handle, key string) (T, bool, error) {
	var v T
	for _, c := range h.pending {
		if c.key != key {
			continue
		}
		if c.value == nil {
			return v, false, nil
		}
		if err := json.Unmarshal(c.value, &v); err != nil {
			var zero T
			return zero, true, fmt.Errorf("session data: key %q does not decode as %T", key, zero)
		}
		return v, true, nil
	}
	if !h.has {
		return v, false, nil
	}
	return sessile.Get[T](h.session, key)
}

// Pop is Get, and removes the key.
func Pop[T any](h *Handle, key string) (T, bool, error) {
	h.enter()
	defer h.mu.Unlock()
	v, ok, err := get[T](h, key)
	if err != nil || !ok {
		return v, ok, err
	}
	return v, ok, h.put(change{key: key})
}

// Set sets a key to what v encodes to as JSON. Without a session it is
// [ErrNoSession], unless guests are on: then the commit creates one. After the
// response has begun it is [ErrHeadersSent]; use [Handle.Update] then.
func (h *Handle) Set(key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil || key == "" {
		return fmt.Errorf("setting session key %q: %w", key, sessile.ErrInvalidData)
	}
	h.enter()
	defer h.mu.Unlock()
	return h.put(change{key, raw})
}

// Remove removes a key, under the rules of Set. A key that is not there is no error.
func (h *Handle) Remove(key string) error {
	h.enter()
	defer h.mu.Unlock()
	return h.put(change{key: key})
}

func (h *Handle) put(c change) error {
	switch {
	case h.m == nil:
		return ErrNoMiddleware
	case h.sent:
		return ErrHeadersSent
	case !h.has && (!h.m.opts.Guests || h.left):
		return ErrNoSession
	case !h.has && c.value == nil && len(h.pending) == 0:
		return nil // there is nothing to remove, and no reason for a guest session
	}
	for i := range h.pending {
		if h.pending[i].key == c.key {
			h.pending[i].value = c.value
			return nil
		}
	}
	h.pending = append(h.pending, c)
	return nil
}

// changes are the pending changes as the store takes them.
func (h *Handle) changes() *sessile.Changes {
	c := new(sessile.Changes)
	for _, p := range h.pending {
		if p.value == nil {
			c.Delete(p.key)
			continue
		}
		c.Set(p.key, p.value)
	}
	return c
}

// Save writes pending changes now, rather than when the response begins. Without
// a session and without changes it does nothing. They are in memory when Save
// returns, on disk within the store's BatchInterval.
func (h *Handle) Save(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	if h.m == nil {
		return ErrNoMiddleware
	}
	return h.flush(ctx)
}

// flush sends pending changes to the store, and creates the guest that they need.
func (h *Handle) flush(ctx context.Context) error {
	if len(h.pending) == 0 {
		return nil
	}
	if !h.has {
		if h.sent {
			return ErrHeadersSent
		}
		return h.createGuest(ctx)
	}
	s, err := h.m.store.Update(ctx, h.session.ID, h.changes())
	if err != nil {
		return err
	}
	h.session, h.pending = s, nil
	return nil
}

// Update changes single keys in the store at once, whether the response has
// begun or not: for streams and websockets.
func (h *Handle) Update(ctx context.Context, c *sessile.Changes) error {
	h.enter()
	defer h.mu.Unlock()
	switch {
	case h.m == nil:
		return ErrNoMiddleware
	case !h.has:
		return ErrNoSession
	}
	s, err := h.m.store.Update(ctx, h.session.ID, c)
	if err == nil {
		h.session = s
	}
	return err
}

// Done returns a channel that is closed when the session ends: logged out here or
// on another device, expired, evicted. Without a session it is closed.
func (h *Handle) Done(ctx context.Context) <-chan struct{} {
	s, ok := h.Current()
	if !ok {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	return h.m.store.Done(ctx, s.ID)
}
