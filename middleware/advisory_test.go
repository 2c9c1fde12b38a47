package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// The tests of the advisories run one check against three libraries: Sessile and a toy without
// faults, which must pass, and the toy with the fault of the advisory, which must fail. So a check
// that cannot find anything is noticed.

// perRequest is what an application needs from a session library during a request.
type perRequest interface {
	user(r *http.Request) string
	login(r *http.Request, user string) error
	logout(r *http.Request) error
	logoutOthers(r *http.Request) error
	rotate(r *http.Request) error
	get(r *http.Request, key string) string
	set(r *http.Request, key, value string) error // "" removes
}

// perUser is what an application needs to know and do about a user.
type perUser interface {
	devices(r *http.Request) []string // ids, this request's user's
	revoke(r *http.Request, id string) error
	endAll(r *http.Request, user string) error
	address(r *http.Request) string // of the client
}

// library is a session library and the machine on which it runs.
type library interface {
	perRequest
	perUser
	wrap(app func(r *http.Request) string) http.Handler
	restart() error // what was in memory is gone
	damage()        // of everything stored
	rows() int      // stored
	lookups() int   // so far
	traces() []byte // everything on disk and in the log
}

// site is an application that uses a library.
type site struct {
	library
	http.Handler
	meanwhile func() // happens in the middle of a request to /slow
}

func newSite(l library) *site {
	s := &site{library: l}
	s.Handler = l.wrap(s.serve)
	return s
}

// serve is the application. It answers one request.
func (s *site) serve(r *http.Request) string {
	q := r.URL.Query()
	var err error
	switch r.URL.Path {
	case "/whoami":
		return s.user(r)
	case "/get":
		return s.get(r, q.Get("key"))
	case "/address":
		return s.address(r)
	case "/devices":
		return strings.Join(s.devices(r), " ")
	case "/login":
		err = s.login(r, q.Get("user"))
	case "/link": // an account gets an owner who has proved it, and who is logged in
		err = errors.Join(s.endAll(r, q.Get("user")), s.login(r, q.Get("user")))
	case "/password":
		err = s.logoutOthers(r)
	case "/logout":
		err = s.logout(r)
	case "/rotate":
		err = s.rotate(r)
	case "/revoke":
		err = s.revoke(r, q.Get("id"))
	case "/set":
		err = s.set(r, q.Get("key"), q.Get("value"))
	case "/slow":
		err = s.set(r, q.Get("key"), q.Get("value"))
		s.meanwhile()
	}
	if err != nil {
		return "error"
	}
	return ""
}

// ask sends a request with a cookie of our name for each token.
func (s *site) ask(path string, tokens ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "https://example.com"+path, nil)
	for _, t := range tokens {
		r.Header.Add("Cookie", cookieName+"="+t)
	}
	return s.send(r)
}

const cookieName = "__Host-session"

func (s *site) send(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func (s *site) text(path string, tokens ...string) string { return text(s.ask(path, tokens...)) }

func text(resp *http.Response) string {
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// token returns the token that a response sets, or else the one of the request.
func (s *site) token(path string, tokens ...string) string {
	for _, c := range s.ask(path, tokens...).Cookies() {
		if c.Name == cookieName {
			return c.Value
		}
	}
	return strings.Join(tokens, "")
}

func (s *site) logIn(user string, tokens ...string) string {
	return s.token("/login?user="+user, tokens...)
}

// differs returns an error unless got is want.
func differs(what string, got, want any) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s: got %v, want %v", what, got, want)
}

// isUser checks which user a token opens, now and after a restart.
func (s *site) isUser(want string, tokens ...string) error {
	err := differs("user", s.text("/whoami", tokens...), want)
	if err != nil {
		return err
	}
	if err := s.restart(); err != nil {
		return err
	}
	return differs("user after a restart", s.text("/whoami", tokens...), want)
}

// setting is what a check needs from a library.
type setting struct {
	cfg    sessile.Config
	opts   middleware.Options
	bubble bool   // time passes
	hears  func() // is called when a session ends
}

// holds runs a check against Sessile, a sound toy, and a toy with each fault.
func (o setting) holds(t *testing.T, check func(*site) error, wrong ...faults) {
	t.Helper()
	o.opts.Guests = true
	t.Run("ours", func(t *testing.T) {
		o.run(t, check, func(t *testing.T) library { t.Helper(); return newOurs(t, o) }, true)
	})
	for _, w := range append([]faults{{}}, wrong...) {
		t.Run(fmt.Sprintf("a toy with the fault %q", w.String()), func(t *testing.T) {
			o.run(t, check, func(*testing.T) library { return newToy(o, w) }, w == faults{})
		})
	}
}

func (o setting) run(t *testing.T, check func(*site) error, build func(*testing.T) library, sound bool) {
	t.Helper()
	in := func(_ *testing.T, test func(t *testing.T)) { test(t) }
	if o.bubble {
		in = bubble
	}
	in(t, func(t *testing.T) {
		err := check(newSite(build(t)))
		if sound && err != nil {
			t.Error(err)
		}
		if !sound && err == nil {
			t.Error("the check finds nothing wrong")
		}
	})
}

// parallel runs the same function n times at once.
func parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}
