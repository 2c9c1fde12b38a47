package middlewaretest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// Cookie returns the session cookie that a response sets. It fails the test if there is none. A
// removed cookie has no value and a negative MaxAge.
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
		tb.Fatalf("the response sets or removes the cookie %q: MaxAge %d", c.Name, c.MaxAge)
	}
}

// RequireLoggedIn fails the test unless a response sets a cookie that opens a session of that user.
// It returns the session.
func RequireLoggedIn(tb testing.TB, m *middleware.Sessions, resp *http.Response, userID string) sessile.Session {
	tb.Helper()
	s, ok := open(tb, m, Cookie(tb, m, resp).Value)
	if !ok {
		tb.Fatal("the cookie that the response sets opens no session")
	}
	if s.UserID() != userID {
		tb.Fatalf("the session belongs to %q, not to %q", s.UserID(), userID)
	}
	return s
}

// RequireLoggedOut fails the test unless a response removes the cookie. If the response knows its
// request, the request's token must open nothing any more.
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
			tb.Fatalf("the token still opens session %s: only the browser's cookie is gone", s.ID())
		}
	}
}

// find returns the session cookie that a response sets, or nil. It fails the test if there are two.
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

// open returns the session that a cookie's value opens.
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
