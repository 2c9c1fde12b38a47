package middleware

import (
	"context"
	"net/http"

	"github.com/sessile/sessile"
)

// FingerprintMode says what happens when a token comes from another kind of
// browser than it was given to: another family, system, device type or language.
// Neither a browser update nor another address is one.
type FingerprintMode string

// The modes. A request whose User-Agent is the session's own is never a mismatch.
const (
	FingerprintObserve FingerprintMode = "observe" // an event and a log line, once a minute per session; the default
	FingerprintOff     FingerprintMode = "off"
	FingerprintReject  FingerprintMode = "reject"  // this request is anonymous; the cookie is left alone
	FingerprintDestroy FingerprintMode = "destroy" // the session ends
)

// recognised compares the browser with the one that the session began in, and
// does what the mode says.
func (h *Handle) recognised(ctx context.Context, s sessile.Session) bool {
	mode := h.m.opts.Fingerprint
	if mode == FingerprintOff || s.Fingerprint() == "" {
		return true
	}
	if userAgent(h.req.Header) == s.UserAgent() {
		return true // who can copy a token can copy this too; parsing it would tell nothing more
	}
	meta := h.meta()
	if meta.UserAgent == s.UserAgent() || meta.Fingerprint == s.Fingerprint() {
		return true
	}
	h.mismatch(s)
	switch mode {
	case FingerprintReject:
		h.reserve() // it may be good in its own browser
		return false
	case FingerprintDestroy:
		_ = h.m.store.Destroy(ctx, s.ID()) // refused from now on in any case; the store retries and reports
		return false
	default:
		return true
	}
}

// userAgent is header.Get without looking whether the name is in its canonical form.
func userAgent(header http.Header) string {
	if v := header["User-Agent"]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// mismatch tells of a change of browser, once a minute per session.
func (h *Handle) mismatch(s sessile.Session) {
	id := s.ID()
	if !h.m.noticed.add(h.m.hash(string(id[:])), h.m.store.Now()) {
		return
	}
	mode := string(h.m.opts.Fingerprint)
	h.m.calls.Emit(sessile.Event{
		Kind: sessile.EventFingerprintMismatch, SessionID: id, UserID: s.UserID(), Reason: mode,
	})
	if log := h.m.store.Config().Logger; log != nil {
		log.Sugar().Warnw("session is used by another kind of browser", "session", id.String(), "mode", mode)
	}
}

// meta is what a new session keeps of this client.
func (h *Handle) meta() sessile.Meta {
	header := h.req.Header
	return sessile.NewMeta(h.m.proxies.clientIP(h.req),
		header.Get("User-Agent"), header.Get("Accept-Language"))
}
