package middleware

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/sessile/sessile"
)

//nolint:gochecknoglobals // constants in all but name; appending to them copies
var (
	varyCookie = []string{"Cookie"}
	noStore    = []string{"no-store"}
)

// commit sends the request's changes to the store and writes the session's headers. It runs once,
// when the response begins. After an error the changes are lost, and the response becomes the error
// handler's.
func (h *Handle) commit(header http.Header) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	domain, err := h.domain()
	if err == nil {
		err = h.settle()
	} else {
		h.fate = keepCookie
	}
	if err != nil {
		h.pending = nil
	}
	f := h.facts(err != nil)
	h.phase = committed
	do := f.decide()
	if do == rotate && !h.rotateGently(h.m.deadline.next()) {
		f.aged = false
		do = f.decide()
	}
	h.do(do)
	h.headers(header, domain)
	return err
}

// domain returns the Domain of the request's cookie. It is not asked for if the response can have no
// cookie.
func (h *Handle) domain() (string, error) {
	if h.bearer || !h.accessed {
		return "", nil
	}
	return h.m.cookie.domainOf(h.req)
}

// do executes an action, except for its headers.
func (h *Handle) do(a action) {
	switch a {
	case keep:
		h.fate = keepCookie
	case send, rotate:
		h.fate = sendCookie
	case remove:
		h.fate = removeCookie
	case discard:
		h.discard()
	}
	if h.presence == created {
		h.presence = issued
	}
}

// settle sends pending changes, or an access that is due, to the store. It drops the changes of a
// Save that failed.
func (h *Handle) settle() error {
	h.pending = slices.DeleteFunc(h.pending, func(c change) bool { return c.held })
	changed := len(h.pending) > 0
	if !changed && !h.accessDue() {
		return nil
	}
	ctx := h.m.deadline.next() // does not end with the client's connection
	var err error
	if changed {
		err = h.flush(ctx, false)
	} else {
		err = h.touch(ctx)
	}
	switch {
	case errors.Is(err, sessile.ErrNotFound): // a parallel request ended the session, and wins
		return nil
	case errors.Is(err, sessile.ErrCorrupt):
		h.giveUp(ctx)
	}
	return err
}

// accessDue reports whether to record an access. That is so if the last one is old enough, or if
// the cookie needs a renewal because only other clients have renewed the session.
func (h *Handle) accessDue() bool {
	return h.has() && (h.cur.found.TouchDue || h.cur.found.AnnounceDue && h.announces())
}

// touch records the access. A lost access does not fail the request. An ended session does.
func (h *Handle) touch(ctx context.Context) error {
	s, err := h.m.calls.Renew(ctx, h.cur.id(), h.announces())
	if err = h.accessedAs(s, err); errors.Is(err, sessile.ErrNotFound) {
		return err
	}
	return nil
}

// rotateGently replaces the token and keeps the old one valid for a grace period. If a parallel
// request was faster, an earlier grace still runs, or the store fails, the token stays valid and a
// later request tries again.
func (h *Handle) rotateGently(ctx context.Context) bool {
	s, t, err := h.m.store.Rotate(ctx, h.cur.id(), sessile.Rotation{From: h.cur.token(), Grace: true})
	if err == nil {
		h.m.replace(h.cur.token().Reveal()) // requests with the old token may still be in flight when a login replaces the session
		h.cur.session, h.cur.fresh = s, t
	}
	return err == nil
}

// discard destroys a session that this request created and whose token nobody gets.
func (h *Handle) discard() {
	if h.presence != created {
		return
	}
	ctx := h.m.deadline.next()
	_ = h.m.store.Destroy(ctx, h.cur.id(), sessile.EndTokenLost) // nobody has its token; the store retries and logs failures
	h.end()
	h.fate = keepCookie
}

// abandon ends a request whose handler panicked before the response began. Its changes must not get
// into the response of whoever answers instead: Echo's recovery writes through our writer after the
// panic has passed us. The browser must still get a token that has replaced its own.
func (h *Handle) abandon(header http.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == committed {
		return
	}
	h.phase = committed
	h.pending = nil
	if h.standing == tokenOurs && h.fate == sendCookie {
		if domain, err := h.domain(); err == nil {
			h.headers(header, domain)
		}
	}
	h.discard()
}

// headers writes Set-Cookie, Cache-Control, Vary and Clear-Site-Data.
func (h *Handle) headers(header http.Header, domain string) {
	if h.revealed || h.bearer && h.fate == sendCookie { // the application gives the client its token
		uncache(header)
	}
	if !h.bearer && h.fate != keepCookie {
		header.Add("Set-Cookie", h.setCookie(domain))
		uncache(header)
	}
	if clean := h.m.opts.ClearSiteData; h.loggedOut && clean != "" {
		if h.fate == sendCookie { // the cookie of a later login or guest
			clean = sparingCookies(clean)
		}
		if clean != "" {
			header.Set("Clear-Site-Data", clean)
		}
	}
	if h.accessed {
		h.m.vary(header)
	}
}

func (h *Handle) setCookie(domain string) string {
	if h.fate == removeCookie {
		return h.m.cookie.remove(domain)
	}
	return h.m.cookie.set(h.cur.token(), h.cur.session, h.cur.session.ExpiresAt().Sub(h.m.store.Now()), domain)
}

// vary adds, once, the request headers that the response depends on (A13).
func (m *Sessions) vary(header http.Header) {
	if len(header["Vary"]) == 0 && !m.opts.Bearer {
		header["Vary"] = varyCookie
		return
	}
	addVary(header, "Cookie")
	if m.opts.Bearer {
		addVary(header, "Authorization")
	}
}

func addVary(header http.Header, name string) {
	for _, v := range header["Vary"] {
		if listHas(v, name) || listHas(v, "*") {
			return
		}
	}
	header.Add("Vary", name)
}

// giveUp destroys a session whose stored data is damaged. Otherwise every later request would fail
// in the same way.
func (h *Handle) giveUp(ctx context.Context) {
	h.m.calls.Emit(sessile.Event{
		Kind: sessile.EventUnreadable, SessionID: h.cur.id(), UserID: h.cur.userID(), Reason: "the stored data is unreadable",
	})
	_ = h.m.store.Destroy(ctx, h.cur.id(), sessile.EndUnreadable) // refused in any case; the store retries and logs failures
	h.end()
}
