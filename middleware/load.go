package middleware

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// justNow is how long a request with a replaced token counts as in flight. Within it the cookie is
// not removed, because the browser may already have the new one.
const justNow = time.Minute

// load finds the session of the request. An error means that the store failed, never that there is
// no session.
func (h *Handle) load(ctx context.Context) error {
	if h.m.opts.Bearer {
		if text, ok := bearer(h.req.Header); ok {
			h.bearer = true
			_, err := h.try(ctx, text)
			return err
		}
	}
	found := h.m.cookie.find(h.req.Header)
	if !found.present {
		return nil
	}
	if found.n > 1 {
		h.m.calls.Emit(sessile.Event{Kind: sessile.EventAmbiguousCookies, Reason: "several cookies of one name"})
	}
	for _, text := range found.sent() {
		h.tried++
		if ok, err := h.try(ctx, text); ok || err != nil {
			return err
		}
	}
	if found.more { // a valid one may be among those that were not tried
		h.reserve()
	}
	if h.presence == absent && !h.m.cookie.withheld(h.req) {
		h.fate = removeCookie
	}
	return nil
}

// try looks one token up, and takes its session if there is one.
func (h *Handle) try(ctx context.Context, text string) (bool, error) {
	s, f, err := h.m.calls.Lookup(ctx, text)
	if err != nil {
		return false, h.refused(ctx, text, err)
	}
	if !h.recognised(ctx, s) {
		return false, nil
	}
	*h.cur.sent = text
	h.cur.session, h.cur.found = s, f
	h.presence, h.standing = found, standingOf(s, f)
	return true, nil
}

// standingOf returns the standing of the token that opened a session.
func standingOf(s sessile.Session, f bridge.Found) standing {
	switch {
	case f.SuccessorLost:
		return tokenStranded
	case s.TokenReplaced():
		return tokenGraced
	default:
		return tokenCurrent
	}
}

// refused handles the reasons why a token opens nothing.
func (h *Handle) refused(ctx context.Context, text string, err error) error {
	switch rotated, ok := errors.AsType[*sessile.RotatedError](err); {
	case ok:
		h.rotatedOut(ctx, rotated)
	case errors.Is(err, sessile.ErrInvalidToken): // no lookup was made
	case errors.Is(err, sessile.ErrExpired):
		if h.m.wasReplaced(text) {
			h.reserve()
		}
	case errors.Is(err, sessile.ErrNotFound):
		h.unknown(text)
	case errors.Is(err, sessile.ErrCorrupt): // permanent: the user must log in again
		h.m.calls.Emit(sessile.Event{Kind: sessile.EventUnreadable, Reason: "the stored session is unreadable"})
	default:
		return err
	}
	return nil
}

// unknown handles a token that opens nothing. It may be forged, expired long ago, or replaced by a
// login of the same browser less than a minute ago.
func (h *Handle) unknown(text string) {
	if h.m.wasReplaced(text) {
		h.reserve()
		return
	}
	h.m.calls.Emit(sessile.Event{Kind: sessile.EventUnknownToken})
}

// rotatedOut handles a token that was replaced. If that is less than a minute ago (or than twice
// Config.RotateGrace), the request is a parallel one that was in flight. Later, somebody else may
// hold a copy of the token (A24).
func (h *Handle) rotatedOut(ctx context.Context, r *sessile.RotatedError) {
	if h.m.store.Now().Sub(r.RotatedAt) < h.m.inFlight {
		h.reserve()
		return
	}
	h.m.calls.Emit(sessile.Event{Kind: sessile.EventTokenReused, SessionID: r.SessionID, Reason: "a replaced token came back"})
	if h.m.opts.DestroyOnReuse {
		_ = h.m.store.Destroy(ctx, r.SessionID, sessile.EndTokenReused) // refused in any case; the store retries and logs failures
	}
}

// replace notes that this process has replaced a token.
func (m *Sessions) replace(token string) { m.replaced.add(m.hash(token), m.store.Now()) }

// wasReplaced reports whether this process replaced a token less than justNow ago.
func (m *Sessions) wasReplaced(token string) bool {
	return m.replaced.contains(m.hash(token), m.store.Now())
}

func (m *Sessions) hash(s string) uint64 { return maphash.String(m.seed, s) }
