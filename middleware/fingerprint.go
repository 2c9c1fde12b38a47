package middleware

import (
	"context"
	"net/http"

	"github.com/sessile/sessile"
)

// FingerprintMode says what happens when a token comes from another kind of browser than the one
// that began the session: another browser family, operating system, device type or language. A
// browser update or another IP address is not a mismatch.
type FingerprintMode string

// The modes. Every mode except FingerprintOff emits [sessile.EventFingerprintMismatch], at most
// once a minute per session, and the store logs a warning. A request with the
// session's own User-Agent is never a mismatch.
const (
	FingerprintObserve FingerprintMode = "observe" // nothing more; the default
	FingerprintOff     FingerprintMode = "off"
	FingerprintReject  FingerprintMode = "reject"  // this request is anonymous; the cookie stays
	FingerprintDestroy FingerprintMode = "destroy" // the session is destroyed
)

// recognised compares the browser with the one that began the session, and does what the mode says.
// A browser cannot use an API token: it is valid in the Authorization header only.
func (h *Handle) recognised(ctx context.Context, s sessile.Session) bool {
	if s.IsAPIToken() && !h.bearer {
		return false
	}
	mode := h.m.opts.Fingerprint
	if mode == FingerprintOff || s.Fingerprint() == "" {
		return true
	}
	if userAgent(h.req.Header) == s.UserAgent() {
		return true // whoever can copy a token can copy the User-Agent too: comparing more would prove nothing
	}
	meta := h.meta()
	if meta.UserAgent == s.UserAgent() || meta.Fingerprint == s.Fingerprint() {
		return true
	}
	h.mismatch(s)
	switch mode {
	case FingerprintReject:
		h.reserve() // the cookie may be valid in its own browser
		return false
	case FingerprintDestroy:
		_ = h.m.store.Destroy(ctx, s.ID(), sessile.EndFingerprintMismatch) // refused in any case; the store retries and logs failures
		return false
	default:
		return true
	}
}

// userAgent is header.Get("User-Agent") without canonicalising the name.
func userAgent(header http.Header) string {
	if v := header["User-Agent"]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// mismatch reports a change of browser, at most once a minute per session.
func (h *Handle) mismatch(s sessile.Session) {
	id := s.ID()
	if !h.m.noticed.add(h.m.hash(string(id[:])), h.m.store.Now()) {
		return
	}
	mode := string(h.m.opts.Fingerprint)
	h.m.calls.Emit(sessile.Event{
		Kind: sessile.EventFingerprintMismatch, SessionID: id, UserID: s.UserID(), Reason: mode,
	})
	h.m.calls.Warn("session used by another kind of browser", id, mode)
}

// Meta describes the client of a request, for [sessile.Store.CreateWith] and similar calls outside
// of a [Handle]. The address is that of [Sessions.ClientIP].
func (m *Sessions) Meta(r *http.Request) sessile.Meta {
	return sessile.NewMeta(m.ClientIP(r), r.Header.Get("User-Agent"), r.Header.Get("Accept-Language"))
}

// meta describes the client for a new session.
func (h *Handle) meta() sessile.Meta { return h.m.Meta(h.req) }
