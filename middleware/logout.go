package middleware

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// Logout ends the session and drops pending changes. It does nothing without a session. If the
// browser sent several cookies of our name, Logout ends every session that they open, up to 180,
// which is more than a browser keeps.
//
// The store refuses the session in memory at once. The deletion is on disk (fsync) when Logout
// returns nil. After [sessile.ErrNotDurable] the store keeps trying.
//
// Logout also works after the response has begun. A later response then removes the cookie.
func (h *Handle) Logout(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	return h.logout(ctx)
}

func (h *Handle) logout(ctx context.Context) error {
	err := h.needsSession()
	if err != nil && !errors.Is(err, ErrNoSession) {
		return err
	}
	if err == nil {
		if err = h.m.store.Destroy(ctx, h.cur.id()); !refused(err) {
			return err
		}
		h.end()
		h.loggedOut = true
	}
	return errors.Join(unless(err, ErrNoSession), h.endOthersSent(ctx))
}

// LogoutAll ends every session of the user, including this one, and returns how many. If the
// session has ended meanwhile, it returns [sessile.ErrNotFound] and ends nothing. Without a user it
// is [Handle.Logout]. It is durable like Logout.
func (h *Handle) LogoutAll(ctx context.Context) (int, error) {
	h.enter()
	defer h.mu.Unlock()
	switch err := h.needsUser(); {
	case errors.Is(err, sessile.ErrNotFound):
		return 0, err
	case err != nil && h.has(): // a guest
		if err := h.check(ctx); err != nil {
			return 0, err
		}
		return 1, h.logout(ctx)
	case err != nil:
		return 0, h.logout(ctx)
	}
	// The others first. In the same step this checks that the own session is active, so that an ended
	// session cannot end sessions that began later.
	n, err := h.m.store.DestroyAllExcept(ctx, h.cur.userID(), h.cur.id())
	if !refused(err) {
		return n, h.unlessEnded(err)
	}
	if err = errors.Join(err, h.logout(ctx)); !h.has() {
		n++
	}
	return n, err
}

// LogoutOthers ends every session of the user except this one, and returns how many. It returns
// [ErrNoSession] without a user, and [sessile.ErrNotFound] if the session has ended meanwhile. It
// is durable like [Handle.Logout].
func (h *Handle) LogoutOthers(ctx context.Context) (int, error) {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsUser(); err != nil {
		return 0, err
	}
	n, err := h.m.store.DestroyAllExcept(ctx, h.cur.userID(), h.cur.id())
	return n, h.unlessEnded(err)
}

// endOthersSent ends the sessions of the cookies behind the one that counted. A planted cookie ends
// only its own session.
func (h *Handle) endOthersSent(ctx context.Context) error {
	if h.bearer {
		return nil
	}
	found := h.m.cookie.findAll(h.req.Header)
	var errs []error
	for _, text := range found[min(int(h.tried), len(found)):] {
		s, err := h.m.store.Lookup(ctx, text)
		if opensNothing(err) {
			continue
		}
		if err == nil && h.recognised(ctx, s) { // a token that this browser may not use ends nothing
			err = h.m.store.Destroy(ctx, s.ID())
		}
		if !refused(err) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...) // only ErrNotDurable
}

// opensNothing reports whether an error means that a token gives no access.
func opensNothing(err error) bool {
	return errors.Is(err, sessile.ErrNotFound) || errors.Is(err, sessile.ErrCorrupt)
}

// refused reports whether a destroyed session is refused from now on, whether its deletion is on
// disk or not.
func refused(err error) bool { return err == nil || errors.Is(err, sessile.ErrNotDurable) }

// unless returns err, or nil if err is target.
func unless(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
