package middleware

import "github.com/sessile/sessile"

// Ended returns why the session has ended whose token the client sent, for example for a message on
// the login page. It returns "" if the request has a session, if the client sent no token, and if
// the store does not know: it remembers the last ends in this process. It does no I/O.
//
// The response removes the cookie of an ended session, so the next request does not know the reason
// any more. A guard passes it on in [Denial].
func (h *Handle) Ended() sessile.EndReason {
	h.enter()
	defer h.mu.Unlock()
	if h.m == nil || h.has() {
		return ""
	}
	for _, text := range h.sent() {
		if reason := h.m.calls.EndReason(text); reason != "" {
			return reason
		}
	}
	return ""
}

// sent returns the tokens that the client sent.
func (h *Handle) sent() []string {
	if h.bearer {
		text, _ := bearer(h.req.Header)
		return []string{text}
	}
	found := h.m.cookie.find(h.req.Header)
	return found.sent()
}
