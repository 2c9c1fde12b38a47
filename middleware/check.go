package middleware

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// A request is authorised with the session that it had when its head arrived. Its body may take
// minutes, and a websocket stays open for hours. An action beyond the session itself therefore asks
// the store first, at the time of the action.

// Check asks the store whether the session is still active. It returns [sessile.ErrNotFound] if the
// session has ended or expired since the request arrived, and [ErrNoSession] if there never was
// one. Any other error means that the store cannot tell.
//
// Call it between reading a request's body and acting on it, and in a websocket before an action
// that must not outlive a logout. For a change of password or address call [Handle.Reauthenticate]
// instead: it also checks that the token is still the current one. Devices, Revoke, LogoutAll,
// LogoutOthers, Update and Renew check by themselves.
//
// Check does not count as an access. It takes about a microsecond while the session is in memory.
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

// reread replaces the session with its present state. If it has ended, only the pending changes of
// this request remain.
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

// again returns the present state of the session. It looks the session up by its token, which is
// fast, and by its ID if the token was replaced.
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

// unlessEnded returns err. If err says that the session does not exist, the request has none from
// now on.
func (h *Handle) unlessEnded(err error) error {
	if errors.Is(err, sessile.ErrNotFound) {
		h.ended()
	}
	return err
}
