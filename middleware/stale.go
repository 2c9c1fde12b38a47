package middleware

import (
	"net/http"
	"slices"
	"strings"
)

// replaceSent notes that a login replaces all tokens that the client sent, even those that opened
// nothing. Other requests with them may be in flight.
func (h *Handle) replaceSent() {
	found := h.m.cookie.find(h.req.Header)
	for _, text := range found.sent() {
		h.m.replace(text)
	}
	if h.has() {
		h.m.replace(h.cur.token().Reveal())
	}
}

// sentWasReplaced reports whether a token that the client sent was replaced less than justNow ago.
func (h *Handle) sentWasReplaced() bool {
	found := h.m.cookie.find(h.req.Header)
	return slices.ContainsFunc(found.sent(), h.m.wasReplaced)
}

// uncache prevents every cache from storing the response. It also removes headers for shared
// caches, which override Cache-Control (RFC 9213).
func uncache(header http.Header) {
	header["Cache-Control"] = noStore
	for name := range header {
		if name == "Surrogate-Control" || strings.HasSuffix(name, "-Cache-Control") {
			delete(header, name)
		}
	}
}

// sparingCookies removes the directives of Clear-Site-Data that would delete a new cookie.
func sparingCookies(directives string) string {
	var kept []string
	for d := range strings.SplitSeq(directives, ",") {
		if d = trimSpace(d); d != `"cookies"` && d != `"*"` {
			kept = append(kept, d)
		}
	}
	return strings.Join(kept, ", ")
}

// hijack notes that the headers of this response may not reach the browser.
func (h *Handle) hijack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == open {
		h.phase = hijacked
	}
}
