package middleware

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/sessile/sessile"
)

// A browser has one cookie and several requests under way, and which response comes
// last is up to the network. So a response replaces the cookie only by what is newer
// for sure, and removes it only if the dead one is all that the browser can have.

// replaceSent remembers that a login replaces what the client sent, also what opened
// nothing: other requests with it may be under way.
func (h *Handle) replaceSent() {
	found := h.m.cookie.find(h.req.Header)
	for _, text := range found.sent() {
		h.m.replace(text)
	}
	if h.has {
		h.m.replace(h.cur.token().Reveal())
	}
}

// sentWasReplaced reports whether a login has replaced, moments ago, what the client sent.
func (h *Handle) sentWasReplaced() bool {
	found := h.m.cookie.find(h.req.Header)
	return slices.ContainsFunc(found.sent(), h.m.wasReplaced)
}

// withdraw keeps the browser's cookie as it is if it may be newer by now than the one
// that this request wanted to send, or to remove.
func (h *Handle) withdraw(ctx context.Context) {
	switch {
	case h.fate == removeCookie && !h.loggedOut && h.sentWasReplaced():
		h.fate = keepCookie
	case h.fate == sendCookie && !h.fresh && h.outdated(ctx):
		h.overtaken, h.fate = true, keepCookie
	case h.fate == sendCookie && !h.fresh && !h.rotated && h.maybePlanted(ctx):
		h.fate = keepCookie
	}
}

// maybePlanted reports whether the session may have come with another cookie of the name
// than the one that we set: with one that the browser sends though it keeps ours back, or
// in front of another that is good too. To send it again would put it in ours' place.
func (h *Handle) maybePlanted(ctx context.Context) bool {
	if h.m.cookie.withheld(h.req) {
		return true
	}
	found := h.m.cookie.find(h.req.Header)
	return slices.ContainsFunc(found.sent()[min(h.tried, found.n):], func(text string) bool {
		s, err := h.m.store.Lookup(ctx, text)
		return err == nil && s.ID() != h.cur.id()
	})
}

// outdated reports whether the request's token has been replaced, or its session ended.
func (h *Handle) outdated(ctx context.Context) bool {
	s, err := h.m.store.Lookup(ctx, h.cur.token().Reveal())
	return errors.Is(err, sessile.ErrNotFound) || err == nil && s.TokenReplaced()
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
	h.hijacked = true
}
