package middleware

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// Logout ends the session, and pending changes with it; without one it does
// nothing. It is refused in memory at once, and that is on disk (fsync) when
// Logout returns nil; after [sessile.ErrNotDurable] the store keeps trying. It
// works after the response has begun too; then a later response removes the cookie.
func (h *Handle) Logout(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	return h.logout(ctx)
}

func (h *Handle) logout(ctx context.Context) error {
	if err := h.needsSession(); err != nil {
		return unless(err, ErrNoSession)
	}
	err := h.m.store.Destroy(ctx, h.cur.id())
	if err == nil || errors.Is(err, sessile.ErrNotDurable) {
		h.end()
		h.loggedOut = true
	}
	return err
}

// LogoutAll ends every session of the user, this one included, and returns how
// many. Without a session it does nothing. Durable like [Handle.Logout].
func (h *Handle) LogoutAll(ctx context.Context) (int, error) {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsSession(); err != nil {
		return 0, unless(err, ErrNoSession)
	}
	if h.cur.userID() == "" {
		return 1, h.logout(ctx)
	}
	n, err := h.m.store.DestroyAllForUser(ctx, h.cur.userID())
	if err == nil || errors.Is(err, sessile.ErrNotDurable) {
		h.end()
		h.loggedOut = true
	}
	return n, err
}

// LogoutOthers ends every session of the user but this one, and returns how many.
// Durable like [Handle.Logout].
func (h *Handle) LogoutOthers(ctx context.Context) (int, error) {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsUser(); err != nil {
		return 0, err
	}
	return h.m.store.DestroyAllExcept(ctx, h.cur.userID(), h.cur.id())
}

// unless is err, or nil if it is target.
func unless(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
