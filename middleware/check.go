package middleware

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// A request is let in with the session that it had when its head came. Its body may
// take minutes, and a websocket stays for hours. What acts on more than the session
// itself asks the store first, at the time when it acts.

// Check asks the store whether the session is alive now, and not only when the
// request came in: [sessile.ErrNotFound] if it has been ended or has expired since,
// [ErrNoSession] if there never was one. A store that cannot tell is another error.
//
// Call it between reading a request's body and acting on it, and in a websocket
// before an action that must not outlive a logout. A change of password or address
// takes [Handle.Reauthenticated] instead, which asks too, and whether the token is
// still the session's. Sessions, Revoke, LogoutAll, LogoutOthers, Update and Renew ask by
// themselves. Check is no access. It reads memory, in about a microsecond, unless the
// session has left it.
func (h *Handle) Check(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsSession(); err != nil {
		return err
	}
	return h.check(ctx)
}

func (h *Handle) check(ctx context.Context) error {
	if !h.has() {
		return nil
	}
	_, err := h.again(ctx)
	return h.unlessEnded(err)
}

// reread takes the session as it is now. If it has ended nothing is left of it but what
// this request was going to set.
func (h *Handle) reread(ctx context.Context) error {
	if !h.has() {
		return nil
	}
	now, err := h.again(ctx)
	if errors.Is(err, sessile.ErrNotFound) {
		pending := h.pending
		h.ended()
		h.pending = pending
		return nil
	}
	if err == nil {
		h.cur = now
	}
	return err
}

// again is the session as it is now: by its token, which is quick, or by its id if
// another token opens it by now.
func (h *Handle) again(ctx context.Context) (current, error) {
	now := h.cur
	s, found, err := h.m.calls.Lookup(ctx, h.cur.token().Reveal())
	if err == nil {
		now.session, now.found = s, found
		return now, nil
	}
	if !errors.Is(err, sessile.ErrNotFound) {
		return now, err
	}
	s, err = h.m.store.Read(ctx, h.cur.id())
	if err == nil && !h.m.store.Now().Before(s.ExpiresAt()) {
		err = sessile.ErrExpired
	}
	now.session, now.found.TouchDue = s, false
	return now, err
}

// unlessEnded returns err. If it says that the session is not there, the request has none from now on.
func (h *Handle) unlessEnded(err error) error {
	if errors.Is(err, sessile.ErrNotFound) {
		h.ended()
	}
	return err
}
