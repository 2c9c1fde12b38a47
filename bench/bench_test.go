package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// profile is what every session holds besides its user: about 300 bytes.
var profile = strings.Repeat("lorem ipsum ", 23)

// site is an application on a contestant, with the cookies of its users.
type site struct {
	tb      testing.TB
	name    string
	c       client
	handler http.Handler
	cookies []string
}

// newSite logs users in. It returns nil if the contestant cannot run here.
func newSite(tb testing.TB, k contestant, users int, o options) *site {
	tb.Helper()
	o.sessions = users
	s := &site{tb: tb, name: k.name, c: k.make(tb, o)}
	if s.c == nil {
		return nil
	}
	s.handler = s.c.Wrap(http.HandlerFunc(s.serve))
	s.check()
	if b, ok := s.c.(*scsClient); ok {
		b.inBulk(func() { s.logInAll(users) })
	} else {
		s.logInAll(users)
	}
	return s
}

// logInAll logs users in, several at a time.
func (s *site) logInAll(users int) {
	const together = 64
	s.cookies = make([]string, users)
	var group sync.WaitGroup
	for w := range together {
		group.Go(func() {
			for i := w; i < users; i += together {
				s.cookies[i] = s.login(fmt.Sprint("user", i))
			}
		})
	}
	group.Wait()
}

// settle waits for the contestant's write-behind, so that the next contestant does not pay for it. The
// sustained write rate is measured separately; see writeBehind.
func (s *site) settle() {
	if c, ok := s.c.(*sessileClient); ok {
		if err := c.store.Sync(context.Background()); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// serve is the application. It has one path per kind of request.
func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	var err error
	switch r.URL.Path {
	case "/read":
		if s.c.User(ctx) == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	case "/set":
		err = s.c.Set(ctx, "key", r.URL.RawQuery)
	case "/get":
		w.Header().Set("X-Key", s.c.Get(ctx, "key"))
		w.Header().Set("X-User", s.c.User(ctx))
	case "/login":
		err = s.logIn(ctx, r.URL.RawQuery)
	case "/logout":
		err = s.c.Logout(ctx)
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// logIn logs a user in, and stores the profile with the login, as each library does it best.
func (s *site) logIn(ctx context.Context, user string) error {
	if c, ok := s.c.(*sessileClient); ok {
		return c.loginWith(ctx, user, map[string]string{"profile": profile})
	}
	if err := s.c.Login(ctx, user); err != nil {
		return err
	}
	return s.c.Set(ctx, "profile", profile) // the session is saved after the request
}

func (s *site) request(target, cookie string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	if cookie != "" {
		r.Header.Set("Cookie", s.c.CookieName()+"="+cookie)
	}
	return r
}

// do sends a request. It returns the response and the cookie for the next request.
func (s *site) do(target, cookie string) (*http.Response, string) {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, s.request(target, cookie))
	resp := w.Result()
	if w.Code >= 500 {
		s.tb.Fatalf("%s: %s: status %d", s.name, target, w.Code)
	}
	for _, k := range resp.Cookies() {
		if k.Name == s.c.CookieName() && k.Value != "" {
			cookie = k.Value
		}
	}
	return resp, cookie
}

func (s *site) login(user string) string {
	_, cookie := s.do("/login?"+user, "")
	if cookie == "" {
		s.tb.Fatalf("%s: no cookie after the login", s.name)
	}
	return cookie
}

// check makes sure that a contestant does the work before it is measured.
func (s *site) check() {
	cookie := s.login("checked")
	_, cookie = s.do("/set?value", cookie)
	resp, _ := s.do("/get", cookie)
	if got := resp.Header; got.Get("X-Key") != "value" || got.Get("X-User") != "checked" {
		s.tb.Fatalf("%s: got %q of %q", s.name, got.Get("X-Key"), got.Get("X-User"))
	}
	s.do("/logout", cookie)
	if s.name == "gorilla-cookie" { // it cannot refuse: the cookie is the session
		return
	}
	if resp, _ := s.do("/read", cookie); resp.StatusCode != http.StatusUnauthorized {
		s.tb.Fatalf("%s: status %d after the logout", s.name, resp.StatusCode)
	}
}

// TestEveryContestantDoesTheWork checks each contestant, once. Those that renew sessions do that too.
func TestEveryContestantDoesTheWork(t *testing.T) {
	for _, k := range contestants() {
		t.Run(k.name, func(t *testing.T) {
			s := newSite(t, k, 1, options{touch: true})
			if s == nil {
				t.Logf("%s does not run here", k.name)
				return
			}
			x := newCrew(s, work{target: "/read"}, 1).workers[0]
			if x.step(); x.refused > 0 || x.sink.code == http.StatusUnauthorized {
				t.Errorf("%s: status %d", k.name, x.sink.code)
			}
		})
	}
}

// BenchmarkRead is a read-only authenticated request, for profiles of one contestant.
func BenchmarkRead(b *testing.B) { each(b, "/read") }

// BenchmarkSet sets one key of the session.
func BenchmarkSet(b *testing.B) { each(b, "/set?value") }

func each(b *testing.B, target string) {
	b.Helper()
	for _, k := range contestants() {
		b.Run(k.name, func(b *testing.B) {
			s := newSite(b, k, 100, options{})
			if s == nil {
				b.Skip("does not run here")
			}
			x := newCrew(s, work{target: target}, 1)
			b.ReportAllocs()
			for b.Loop() {
				x.workers[0].step()
			}
		})
	}
}
