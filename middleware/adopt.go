package middleware

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sessile/sessile"
)

// adoption is the move of one session from another library. Requests that arrive with the same old
// cookie meanwhile, or in the minute after, share its result. A page and what it loads would
// otherwise begin a session each, and a client that lost the response would be logged out.
type adoption struct {
	began time.Time
	done  chan struct{} // closed when the fields below are final
	token sessile.Token // zero: there is no session
	used  bool          // the old session has ended, so the response removes the old cookie
	err   error
}

// adoptions are the adoptions of the last minute. Its keys are SHA-256, because a collision would
// give one user the session of another. The zero value is ready to use. It is safe for concurrent
// use.
type adoptions struct {
	mu        sync.Mutex
	now, past map[[sha256.Size]byte]*adoption
	began     time.Time // start of now
}

// enter returns the adoption of an old cookie, and whether the caller must carry it out.
func (all *adoptions) enter(key [sha256.Size]byte, at time.Time) (a *adoption, first bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.now) >= maxRecent || at.Sub(all.began) >= justNow {
		all.past, all.now, all.began = all.now, make(map[[sha256.Size]byte]*adoption), at
	}
	for _, half := range [...]map[[sha256.Size]byte]*adoption{all.now, all.past} {
		if a, ok := half[key]; ok && at.Sub(a.began) < justNow {
			return a, false
		}
	}
	a = &adoption{began: at, done: make(chan struct{})}
	all.now[key] = a
	return a, true
}

// leave ends an adoption. If the old session was not used, the next request tries again.
func (all *adoptions) leave(key [sha256.Size]byte, a *adoption) {
	if !a.used {
		all.mu.Lock()
		for _, half := range [...]map[[sha256.Size]byte]*adoption{all.now, all.past} {
			if half[key] == a {
				delete(half, key)
			}
		}
		all.mu.Unlock()
	}
	close(a.done)
}

// adopt gives a request without a session the one that Options.Adopt finds. It reports whether the
// response removes the old cookie. A request with a session only ends the old one, because it could
// otherwise come back after a logout.
func (h *Handle) adopt(ctx context.Context) (removes bool, err error) {
	key, sent := oldCookie(h.req, h.m.opts.AdoptCookie.Name)
	switch {
	case !sent, h.bearer, h.m.cookie.withheld(h.req):
		return false, nil
	case h.has():
		return h.endOld(ctx)
	case h.presence != absent: // the browser may have a valid cookie of ours
		return false, nil
	}
	a, first := h.m.adopted.enter(key, h.m.store.Now())
	if first {
		h.takeOver(key, a)
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if a.err != nil || a.token.IsZero() {
		return a.used, a.err
	}
	h.replaceSent() // requests in flight with a cookie that opens nothing must not remove the new one
	ok, err := h.try(ctx, a.token.Reveal())
	if ok {
		h.standing, h.fate, h.accessed = tokenOurs, sendCookie, true
	}
	return true, err
}

// takeOver creates the session of an adoption. It does not end with the client's connection, because
// other requests may wait for it.
func (h *Handle) takeOver(key [sha256.Size]byte, a *adoption) {
	defer h.m.adopted.leave(key, a)
	l, ok := h.m.opts.Adopt(h.req.WithContext(context.WithoutCancel(h.req.Context())))
	if !ok || l.UserID == "" && !h.m.opts.Guests {
		return
	}
	if a.err = adoptable(l); a.err != nil {
		return
	}
	ctx := h.m.deadline.next()
	s, t, err := h.createAdopted(ctx, l)
	if err == nil {
		err = h.confirm(ctx, l, s.ID())
	}
	switch {
	case err == nil:
		a.token, a.used = t, true
	case errors.Is(err, ErrNoSession): // somebody else has used the old session
		a.used = true
	case errors.Is(err, sessile.ErrLimitReached): // like a login over the limit: not logged in
	default:
		a.err = err
	}
}

// createAdopted creates the session that Options.Adopt has described.
func (h *Handle) createAdopted(ctx context.Context, l Login) (sessile.Session, sessile.Token, error) {
	data := make(map[string]json.RawMessage)
	if err := l.overlay(data); err != nil {
		return sessile.Session{}, sessile.Token{}, err
	}
	l.APIToken = false // a browser has the token
	guest := l.UserID == ""
	if guest {
		l.TTL = cmp.Or(l.TTL, h.m.opts.GuestTTL)
		l.MaxLifetime = cmp.Or(l.MaxLifetime, h.m.opts.GuestMaxLifetime)
	}
	return h.create(ctx, l, sessile.NewSession{Data: data, Guest: guest})
}

// endOld ends the old session of a request that has one of ours. It reports whether the old session
// has ended. A failure fails the request: after a logout the old session would log the user in again.
func (h *Handle) endOld(ctx context.Context) (ended bool, err error) {
	l, ok := h.m.opts.Adopt(h.req)
	switch {
	case !ok:
		return false, nil
	case l.Confirm == nil:
		return true, adoptable(l)
	}
	if err := l.Confirm(ctx); err != nil && !errors.Is(err, ErrNoSession) {
		return false, err
	}
	return true, nil
}

// adoptable refuses the login of a user whose old cookie would log in again and again.
func adoptable(l Login) error {
	if l.UserID == "" || l.Confirm != nil {
		return nil
	}
	return fmt.Errorf("%w: Options.Adopt returned the login of a user without Confirm", sessile.ErrInvalidConfig)
}

// oldCookie returns the hash of the values that the client sent for another library's cookie, and
// whether there is one.
func oldCookie(r *http.Request, name string) (key [sha256.Size]byte, sent bool) {
	hash := sha256.New()
	for _, c := range r.CookiesNamed(name) {
		if _, err := sessile.ParseToken(c.Value); err == nil { // one of ours, if both cookies have the same name
			continue
		}
		_, _ = hash.Write([]byte(c.Value + ";")) // never fails; no value contains a semicolon
		sent = sent || c.Value != ""
	}
	hash.Sum(key[:0])
	return key, sent
}

// removeOld adds the removal of another library's cookie to a response. The session's own cookie
// replaces one of the same name, domain and path.
func (m *Sessions) removeOld(header http.Header, r *http.Request) {
	old, own := m.opts.AdoptCookie, &m.cookie.base //nolint:gosec // it removes a cookie
	uncache(header)
	if old.Name == own.Name && old.Path == own.Path {
		if domain, err := m.cookie.domainOf(r); err != nil || old.Domain == domain {
			return
		}
	}
	old.Value, old.MaxAge = "", -1
	header.Add("Set-Cookie", old.String())
}
