package middlewaretest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// Cookie is the session cookie that a response sets. The test fails if there is
// none; a removed cookie has no value and a negative MaxAge.
func Cookie(tb testing.TB, m *middleware.Sessions, resp *http.Response) *http.Cookie {
	tb.Helper()
	c := find(tb, m, resp)
	if c == nil {
		tb.Fatalf("the response sets no cookie %q: %q", m.CookieName(), resp.Header.Values("Set-Cookie"))
	}
	return c
}

// RequireNoCookie fails the test if a response sets or removes the session cookie.
func RequireNoCookie(tb testing.TB, m *middleware.Sessions, resp *http.Response) {
	tb.Helper()
	if c := find(tb, m, resp); c != nil {
		tb.Fatalf("the response touches the cookie %q: MaxAge %d", c.Name, c.MaxAge)
	}
}

// RequireLoggedIn fails the test unless a response logs a user in: it sets a
// cookie whose token opens a session of that user. It returns the session.
func RequireLoggedIn(tb testing.TB, m *middleware.Sessions, resp *http.Response, userID string) sessile.Session {
	tb.Helper()
	s, ok := open(tb, m, Cookie(tb, m, resp).Value)
	if !ok {
		tb.Fatal("the cookie that the response sets opens no session")
	}
	if s.UserID() != userID {
		tb.Fatalf("the session is of %q, not of %q", s.UserID(), userID)
	}
	return s
}

// RequireLoggedOut fails the test unless a response logs out: it removes the
// cookie, and what its request sent, where that is known, opens nothing any more.
func RequireLoggedOut(tb testing.TB, m *middleware.Sessions, resp *http.Response) {
	tb.Helper()
	if c := Cookie(tb, m, resp); c.Value != "" || c.MaxAge >= 0 {
		tb.Fatalf("the cookie is set rather than removed: MaxAge %d", c.MaxAge)
	}
	if resp.Request == nil {
		return
	}
	for _, c := range resp.Request.CookiesNamed(m.CookieName()) {
		if s, ok := open(tb, m, c.Value); ok {
			tb.Fatalf("the token still opens session %s: a logout that is the browser's alone", s.ID())
		}
	}
}

// find is the session cookie that a response sets, or nil. Two would be a fault.
func find(tb testing.TB, m *middleware.Sessions, resp *http.Response) *http.Cookie {
	tb.Helper()
	var found *http.Cookie
	for _, c := range resp.Cookies() {
		if c.Name != m.CookieName() {
			continue
		}
		if found != nil {
			tb.Fatalf("the response sets the cookie %q twice", c.Name)
		}
		found = c
	}
	return found
}

// open is the session that a cookie's value opens.
func open(tb testing.TB, m *middleware.Sessions, value string) (sessile.Session, bool) {
	tb.Helper()
	token, err := sessile.ParseToken(value)
	if err != nil {
		return sessile.Session{}, false
	}
	s, err := m.Store().ReadByToken(tb.Context(), token)
	if err != nil && !errors.Is(err, sessile.ErrNotFound) {
		tb.Fatalf("reading a session: %v", err)
	}
	return s, err == nil
}
