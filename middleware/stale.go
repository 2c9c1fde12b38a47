package middleware

import (
	"net/http"
	"slices"
	"strings"
)

// replaceSent remembers that a login replaces what the client sent, also what opened
// nothing: other requests with it may be under way.
func (h *Handle) replaceSent() {
	found := h.m.cookie.find(h.req.Header)
	for _, text := range found.sent() {
		h.m.replace(text)
	}
	if h.has() {
		h.m.replace(h.cur.token().Reveal())
	}
}

// sentWasReplaced reports whether a login has replaced, moments ago, what the client sent.
func (h *Handle) sentWasReplaced() bool {
	found := h.m.cookie.find(h.req.Header)
	return slices.ContainsFunc(found.sent(), h.m.wasReplaced)
}

// uncache lets no cache keep a response, whatever the handler told the shared ones
// (RFC 9213: what is meant for them counts more than Cache-Control).
func uncache(header http.Header) {
	header["Cache-Control"] = noStore
	for name := range header {
		if name == "Surrogate-Control" || strings.HasSuffix(name, "-Cache-Control") {
			delete(header, name)
		}
	}
}

// sparingCookies is a Clear-Site-Data without what would take a new cookie along.
func sparingCookies(directives string) string {
	var kept []string
	for d := range strings.SplitSeq(directives, ",") {
		if d = trimSpace(d); d != `"cookies"` && d != `"*"` {
			kept = append(kept, d)
		}
	}
	return strings.Join(kept, ", ")
}

// hijack notes that what this response says may not reach the browser.
func (h *Handle) hijack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == open {
		h.phase = hijacked
	}
}
