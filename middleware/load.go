package middleware

import (
	"context"
	"errors"
	"time"

	"github.com/sessile/sessile"
)

// justNow is how long after a rotation its old token is taken for a request that
// was under way, and not for a dead cookie: its browser may have the new one
// already, and must not be told to forget it.
const justNow = time.Minute

// load finds the session of the request. Its error says that the store failed,
// never that there is no session.
func (h *Handle) load(ctx context.Context) error {
	if h.m.opts.Bearer {
		if text, ok := bearer(h.req.Header); ok {
			h.bearer = true
			_, err := h.try(ctx, text)
			return err
		}
	}
	found := h.m.cookie.find(h.req.Header)
	h.stale = found.present
	if found.n > 1 {
		h.m.store.Emit(sessile.Event{Kind: sessile.EventAmbiguousCookies})
	}
	for _, text := range found.values[:found.n] {
		if ok, err := h.try(ctx, text); ok || err != nil {
			return err
		}
	}
	return nil
}

// try looks one token up, and takes its session if there is one.
func (h *Handle) try(ctx context.Context, text string) (bool, error) {
	t, err := sessile.ParseToken(text)
	if err != nil {
		return false, nil
	}
	s, err := h.m.store.ReadByToken(ctx, t)
	if err != nil {
		return false, h.refused(ctx, err)
	}
	if !h.recognised(ctx, &s) {
		return false, nil
	}
	h.session, h.token, h.has, h.stale, h.superseded = s, t, true, false, s.TokenReplaced
	return true, nil
}

// refused sorts the reasons why a token opens nothing.
func (h *Handle) refused(ctx context.Context, err error) error {
	var rotated *sessile.RotatedError
	switch {
	case errors.As(err, &rotated):
		h.rotatedOut(ctx, rotated)
	case errors.Is(err, sessile.ErrExpired):
	case errors.Is(err, sessile.ErrNotFound):
		h.m.store.Emit(sessile.Event{Kind: sessile.EventUnknownToken})
	case errors.Is(err, sessile.ErrCorrupt): // it will not get better: the user logs in again
		h.m.store.Emit(sessile.Event{Kind: sessile.EventUnreadable, Reason: "the stored session is unreadable"})
	default:
		return err
	}
	return nil
}

// rotatedOut handles a token that was replaced. Moments ago it is a parallel
// request; later it is a copy of the token, which somebody else may hold (A24).
func (h *Handle) rotatedOut(ctx context.Context, r *sessile.RotatedError) {
	if h.m.store.Now().Sub(r.RotatedAt) < max(justNow, 2*h.m.grace) {
		h.inFlight = true
		return
	}
	h.m.store.Emit(sessile.Event{Kind: sessile.EventTokenReused, SessionID: r.SessionID})
	if h.m.opts.DestroyOnReuse {
		_ = h.m.store.Destroy(ctx, r.SessionID) // refused from now on in any case; the store retries and reports
	}
}

// recognised compares the browser with the one that the session began in.
func (h *Handle) recognised(ctx context.Context, s *sessile.Session) bool {
	mode := h.m.opts.Fingerprint
	if mode == FingerprintOff || s.Fingerprint == "" {
		return true
	}
	agent := h.req.Header.Get("User-Agent")
	if agent == s.UserAgent {
		return true // who can copy a token can copy this too; parsing it would tell nothing more
	}
	meta := h.meta()
	if meta.UserAgent == s.UserAgent || meta.Fingerprint == s.Fingerprint {
		return true
	}
	h.m.store.Emit(sessile.Event{Kind: sessile.EventFingerprintMismatch, SessionID: s.ID, UserID: s.UserID, Reason: string(mode)})
	switch mode {
	case FingerprintReject:
		h.inFlight = true // the cookie may be good in its own browser
		return false
	case FingerprintDestroy:
		_ = h.m.store.Destroy(ctx, s.ID) // refused from now on in any case; the store retries and reports
		return false
	default:
		return true
	}
}

// meta is what a new session keeps of this client.
func (h *Handle) meta() sessile.Meta {
	hd := h.req.Header
	return sessile.NewMeta(h.m.proxies.clientIP(h.req), hd.Get("User-Agent"), hd.Get("Accept-Language"), hd.Get("Accept-Encoding"))
}
