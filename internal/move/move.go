// Package move checks that users stay logged in while a program moves to Sessile from another session
// library. The program logs in user 42 with the theme dark at /login, shows both at /me, and logs out
// at /logout. Only tests import the package.
package move

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/sessile/sessile"
)

// What /me shows.
const (
	Known   = "42 dark"
	Unknown = "<nil> <nil>"
)

// Site is a server whose program can be replaced.
type Site struct {
	*testing.T
	server  *httptest.Server
	program atomic.Pointer[http.Handler]
	url     *url.URL
}

// NewSite starts a server with the old program. It ends with the test.
func NewSite(t *testing.T, old http.Handler) *Site {
	t.Helper()
	s := &Site{T: t}
	s.Deploy(old)
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.program.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	var err error
	if s.url, err = url.Parse(s.server.URL); err != nil {
		t.Fatal(err)
	}
	return s
}

// Deploy replaces the program.
func (s *Site) Deploy(h http.Handler) { s.program.Store(&h) }

// Browser returns a browser with these cookies.
func (s *Site) Browser(cookies ...*http.Cookie) *http.Client {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	jar.SetCookies(s.url, cookies)
	return &http.Client{Jar: jar, Transport: s.server.Client().Transport}
}

// LoggedIn returns a browser that has logged in.
func (s *Site) LoggedIn() *http.Client {
	s.Helper()
	b := s.Browser()
	s.Get(b, "/login")
	s.Shows(b, Known)
	return b
}

// Cookies returns the cookies of a browser.
func (s *Site) Cookies(b *http.Client) []*http.Cookie { return b.Jar.Cookies(s.url) }

// Get returns the text of a page.
func (s *Site) Get(b *http.Client, path string) string {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	resp, err := b.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.Fatalf("%s: %d %s, %v", path, resp.StatusCode, text, err)
	}
	return string(text)
}

// Shows checks what /me shows.
func (s *Site) Shows(b *http.Client, want string) {
	s.Helper()
	if got := s.Get(b, "/me"); got != want {
		s.Errorf("got %q, want %q", got, want)
	}
}

// Stays checks that a user who logged in before the move is still logged in, with one session and
// another cookie. page is one that saves the session. It returns the cookies of before.
func (s *Site) Stays(b *http.Client, store *sessile.Store, page string) (old []*http.Cookie) {
	s.Helper()
	old = s.Cookies(b)
	s.Shows(b, Known)
	s.Get(b, page)
	s.Shows(b, Known)
	s.hasSessions(store, 1)
	if now := s.Cookies(b); len(now) != 1 || now[0].Value == old[0].Value {
		s.Errorf("the browser has %d cookies", len(now))
	}
	return old
}

// LogsOut checks that a logout is final, whatever cookies were copied.
func (s *Site) LogsOut(b *http.Client, store *sessile.Store, old []*http.Cookie) {
	s.Helper()
	current := s.Cookies(b)
	s.Get(b, "/logout")
	for _, copied := range [][]*http.Cookie{s.Cookies(b), old, current} {
		s.Shows(s.Browser(copied...), Unknown)
	}
	s.hasSessions(store, 0)
}

// hasSessions checks how many sessions the user has.
func (s *Site) hasSessions(store *sessile.Store, want int) {
	s.Helper()
	if list, err := store.ListForUser(s.Context(), "42"); err != nil || len(list) != want {
		s.Errorf("user 42 has %d sessions, want %d: %v", len(list), want, err)
	}
}
