package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/sessile/sessile"
)

func encode(v any) (json.RawMessage, error) { return json.Marshal(v) }

//nolint:gochecknoglobals // constants in all but name; appending to them copies
var (
	varyCookie = []string{"Cookie"}
	noStore    = []string{"no-store"}
)

// commit makes the request's changes permanent and writes the session's headers.
// It runs once, when the response begins. Its error says that the store failed.
func (h *Handle) commit(header http.Header) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent = true
	ended, err := h.store()
	if err != nil {
		return err
	}
	h.headers(header, ended)
	return nil
}

// due reports whether the store has to be asked for anything.
func (h *Handle) due() bool {
	if len(h.pending) > 0 {
		return true
	}
	return h.has && (h.touchDue() || h.rotationDue())
}

func (h *Handle) touchDue() bool {
	return h.m.store.Now().Sub(h.session.LastActiveAt) >= h.m.touch
}

func (h *Handle) rotationDue() bool {
	every := h.m.opts.RotateEvery
	if every == 0 || h.bearer || h.issue {
		return false
	}
	since := h.session.CreatedAt
	if h.session.RotatedAt.After(since) {
		since = h.session.RotatedAt
	}
	return h.m.store.Now().Sub(since) >= every
}

// store flushes or touches, and rotates if it is time. It reports whether the
// session turned out to have ended meanwhile. It does not die with the client.
func (h *Handle) store() (ended bool, err error) {
	if !h.due() {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.req.Context()), h.m.opts.CommitTimeout)
	defer cancel()
	switch {
	case len(h.pending) > 0:
		h.sent = false // a guest may still be created: this is the beginning
		err = h.flush(ctx)
		h.sent = true
	case h.touchDue():
		err = h.renew(ctx)
	}
	if errors.Is(err, sessile.ErrNotFound) { // logged out by a parallel request: nothing is revived
		h.end()
		return true, nil
	}
	if err == nil && h.has && h.rotationDue() {
		h.rotateGently(ctx)
	}
	return false, err
}

// renew records the access. Losing one is no reason to fail the request.
func (h *Handle) renew(ctx context.Context) error {
	s, err := h.m.store.Renew(ctx, h.session.ID)
	if err == nil {
		h.session = s
		// The cookie's Max-Age slides along; but a token in its grace must not push
		// its successor out of the browser.
		h.issue = h.issue || !h.bearer && !h.m.cookie.session && !h.superseded
		return nil
	}
	if errors.Is(err, sessile.ErrNotFound) {
		return err
	}
	return nil
}

// rotateGently replaces the token with a grace for the old one. If a parallel
// request was faster, or the store fails, the old token stays good and the next
// request tries again.
func (h *Handle) rotateGently(ctx context.Context) {
	t, err := h.m.store.Rotate(ctx, h.session.ID, sessile.Rotation{From: h.token, Grace: true})
	if err == nil {
		h.token, h.issue = t, true
	}
}

// headers writes Set-Cookie, Cache-Control and Vary.
func (h *Handle) headers(header http.Header, ended bool) {
	set := ""
	switch {
	case h.bearer && !h.issueCookie():
	case h.issue && h.has:
		set = h.m.cookie.set(h.token, h.session.ExpiresAt.Sub(h.m.store.Now()))
	case h.left || ended || h.stale && !h.inFlight && !h.has:
		set = h.m.cookie.remove()
		if h.left && !ended && h.m.opts.ClearSiteData != "" {
			header.Set("Clear-Site-Data", h.m.opts.ClearSiteData)
		}
	}
	if set != "" {
		header.Add("Set-Cookie", set)
		header["Cache-Control"] = noStore
	}
	if set != "" || h.accessed {
		addVary(header)
	}
}

// issueCookie: a client that brought its token in a header keeps it itself.
func (h *Handle) issueCookie() bool { return !h.bearer }

// addVary says, once, that the response depends on the cookie (A13).
func addVary(header http.Header) {
	old := header["Vary"]
	if len(old) == 0 {
		header["Vary"] = varyCookie
		return
	}
	for _, v := range old {
		if v == "*" || listHas(v, "Cookie") {
			return
		}
	}
	header.Add("Vary", "Cookie")
}
