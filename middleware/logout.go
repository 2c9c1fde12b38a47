package middleware

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// Logout ends the session, and pending changes with it; without one it does
// nothing. Where the browser sent several cookies of the name, it ends every session
// that they open, up to 180: more than a browser keeps. It is refused in memory at once,
// and that is on disk (fsync) when Logout returns nil; after [sessile.ErrNotDurable] the
// store keeps trying. It works after the response has begun too; then a later response
// removes the cookie.
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

// LogoutAll ends every session of the user, this one included, and returns how
// many. Without a session it does nothing; if the session has ended meanwhile, it is
// [sessile.ErrNotFound] and nothing is ended. Durable like [Handle.Logout].
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
	// The others first: that asks, in the same step, whether this one is alive. Nobody
	// whose session has ended ends what has begun since.
	n, err := h.m.store.DestroyAllExcept(ctx, h.cur.userID(), h.cur.id())
	if !refused(err) {
		return n, h.unlessEnded(err)
	}
	if err = errors.Join(err, h.logout(ctx)); !h.has() {
		n++
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
	n, err := h.m.store.DestroyAllExcept(ctx, h.cur.userID(), h.cur.id())
	return n, h.unlessEnded(err)
}

// endOthersSent ends the sessions of cookies that nobody has looked at: those that
// came behind the one whose session this is. A planted one ends no session but its own.
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
		if err == nil && h.recognised(ctx, s) { // a copy that opens nothing here ends nothing here
			err = h.m.store.Destroy(ctx, s.ID())
		}
		if !refused(err) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...) // only of those that are refused, and not yet on disk
}

// opensNothing reports whether an error says that a token gives no access.
func opensNothing(err error) bool {
	return errors.Is(err, sessile.ErrNotFound) || errors.Is(err, sessile.ErrInvalidToken) || errors.Is(err, sessile.ErrCorrupt)
}

// refused reports whether a session that was to be destroyed is refused from now on,
// on disk or not yet.
func refused(err error) bool { return err == nil || errors.Is(err, sessile.ErrNotDurable) }

// unless is err, or nil if it is target.
func unless(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
