package gorilla_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/sessions"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gorilla"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// fixture is a Store, and a browser that keeps one cookie.
type fixture struct {
	*testing.T
	sessions *sessile.Store
	store    *gorilla.Store
	cookie   string
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	store := middlewaretest.NewStore(t, sessile.Config{})
	return &fixture{T: t, sessions: store, store: gorilla.NewStore(store, "userID")}
}

// do serves a request of the browser and keeps the cookie of the response.
func (f *fixture) do(h func(s *sessions.Session)) *http.Response {
	f.Helper()
	w, r := httptest.NewRecorder(), f.request()
	s, err := f.store.Get(r, "app")
	f.must(err)
	h(s)
	f.must(sessions.Save(r, w))
	for _, c := range w.Result().Cookies() {
		f.cookie = c.Value
	}
	return w.Result()
}

func (f *fixture) request() *http.Request {
	r := httptest.NewRequestWithContext(f.Context(), http.MethodGet, "/", nil)
	if f.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "app", Value: f.cookie})
	}
	return r
}

func (f *fixture) set(key string, v any) *http.Response {
	f.Helper()
	return f.do(func(s *sessions.Session) { s.Values[key] = v })
}

// value returns a value as a request with this cookie reads it.
func (f *fixture) value(cookie, key string) any {
	f.Helper()
	b := *f
	b.cookie = cookie
	s, err := b.store.New(b.request(), "app")
	f.must(err)
	return s.Values[key]
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) want(got, want any) {
	f.Helper()
	if got != want {
		f.Errorf("got %v, want %v", got, want)
	}
}

func (f *fixture) count(user string) int {
	f.Helper()
	list, err := f.sessions.ListForUser(f.Context(), user)
	f.must(err)
	return len(list)
}

// bubble runs a test with its own clock. See the tests of package middleware.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	defer func() {
		runtime.GC()
		runtime.GC()
	}()
	synctest.Test(t, test)
}

func wait(d time.Duration) { <-time.After(d) }

type flash struct{ Text string }

func TestStoreKeepsValuesWithTheirTypes(t *testing.T) {
	f := setUp(t)
	f.store.Register(flash{})
	f.do(func(s *sessions.Session) {
		f.want(s.IsNew, true)
		s.Values["n"], s.Values["id"] = 7, int64(8)
		s.AddFlash("plain")
		s.AddFlash(flash{"typed"})
	})
	f.do(func(s *sessions.Session) {
		f.want(s.IsNew, false)
		f.want(len(s.ID), 26)
		f.want(s.Values["n"], 7)
		f.want(s.Values["id"], int64(8))
		f.want(s.Flashes()[1], flash{"typed"})
	})
	f.do(func(s *sessions.Session) { f.want(len(s.Flashes()), 0) })
}

func TestStoreHonoursOptions(t *testing.T) {
	f := setUp(t)
	f.want(f.set("k", 1).Header.Get("Cache-Control"), "no-store")
	resp := f.do(func(s *sessions.Session) {
		s.Options = &sessions.Options{Path: "/app", Domain: "example.com", MaxAge: 60, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	})
	c := resp.Cookies()[0]
	f.want(c.Path, "/app")
	f.want(c.Domain, "example.com")
	f.want(c.MaxAge, 60)
	f.want(c.Secure && c.HttpOnly, true)
	f.want(c.SameSite, http.SameSiteStrictMode)
	f.want(f.do(func(s *sessions.Session) { s.Options.MaxAge = 0 }).Cookies()[0].MaxAge, 0)
}

func TestStoreEndsASessionAfterItsMaxAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t)
		f.store.Options.MaxAge = 3600
		f.set("k", 1)
		wait(59 * time.Minute)
		f.set("k", 2)
		wait(59 * time.Minute)
		f.want(f.value(f.cookie, "k"), 2)
		wait(time.Minute)
		f.want(f.value(f.cookie, "k"), nil)
	})
}

func TestStoreGivesALoginANewToken(t *testing.T) {
	f := setUp(t)
	f.set("cart", 3)
	guest := f.cookie
	f.set("userID", "alice")
	f.want(f.cookie != guest, true)
	f.want(f.value(guest, "cart"), nil)
	f.want(f.value(f.cookie, "cart"), 3)
	alice := f.cookie
	f.set("theme", "dark")
	f.want(f.cookie, alice)
	f.want(f.count("alice"), 1)
	f.do(func(s *sessions.Session) { delete(s.Values, "userID") })
	f.want(f.value(alice, "cart"), nil)
	f.want(f.value(f.cookie, "cart"), 3)
	f.want(f.count("alice"), 0)
}

func TestStoreMaxAgeBelowZeroEndsTheSession(t *testing.T) {
	f := setUp(t)
	f.set("userID", "alice")
	alice := f.cookie
	resp := f.do(func(s *sessions.Session) { s.Options.MaxAge = -1 })
	f.want(resp.Cookies()[0].MaxAge, -1)
	f.want(f.cookie, "")
	f.want(f.value(alice, "userID"), nil)
	f.want(f.count("alice"), 0)
	f.do(func(s *sessions.Session) { s.Options.MaxAge = -1 }) // a session that never was
}

// With gorilla's own stores a request in flight brings the session back.
func TestStoreKeepsALogoutFinal(t *testing.T) {
	f := setUp(t)
	f.set("userID", "alice")
	alice := f.cookie
	resp := f.do(func(s *sessions.Session) {
		other := *f
		other.do(func(s *sessions.Session) { s.Options.MaxAge = -1 })
		s.Values["draft"] = "late"
	})
	f.want(resp.Header.Get("Set-Cookie"), "")
	f.want(f.value(alice, "userID"), nil)
	f.want(f.count("alice"), 0)
}

func TestStoreKeepsTheKeysOfParallelRequests(t *testing.T) {
	f := setUp(t)
	f.store.Register(map[string]flash{})
	f.set("old", map[string]flash{"z": {"z"}, "a": {"a"}})
	f.do(func(s *sessions.Session) {
		other := *f
		other.do(func(s *sessions.Session) {
			s.Values["a"] = 1
			delete(s.Values, "old")
		})
		s.Values["b"] = 2
	})
	f.want(f.value(f.cookie, "a"), 1)
	f.want(f.value(f.cookie, "b"), 2)
	f.want(f.value(f.cookie, "old"), nil)
}

func TestStoreRefusesKeysThatAreNotStrings(t *testing.T) {
	f := setUp(t)
	r, w := f.request(), httptest.NewRecorder()
	s, err := f.store.Get(r, "app")
	f.must(err)
	s.Values[7] = 1
	if err := s.Save(r, w); !errors.Is(err, sessile.ErrInvalidData) || w.Header().Get("Set-Cookie") != "" {
		t.Error(err)
	}
}

func TestStoreSavesASessionThatItDidNotMake(t *testing.T) {
	f := setUp(t)
	s, w := sessions.NewSession(f.store, "app"), httptest.NewRecorder()
	s.Options.MaxAge = 60
	s.Values["k"] = 1
	f.must(s.Save(f.request(), w))
	f.want(f.value(w.Result().Cookies()[0].Value, "k"), 1)
	s.Values["k"] = 2
	f.must(s.Save(f.request(), w))
	f.want(f.sessions.Stats().Created, uint64(1))
}

// Many programs ignore the error of Get. Save must not replace the session that could not be read.
func TestStoreFailureIsNotALogout(t *testing.T) {
	f := setUp(t)
	f.sessions = middlewaretest.NewStore(t, sessile.Config{CacheSize: 1})
	f.store = gorilla.NewStore(f.sessions, "userID")
	f.set("userID", "alice")
	for range 3 { // alice's session is on disk only
		_, _, err := f.sessions.Create(t.Context(), sessile.Meta{}, "somebody", nil)
		f.must(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := f.store.Get(f.request().WithContext(ctx), "app")
	if s == nil || !errors.Is(err, context.Canceled) {
		t.Error(s, err)
	}
	for _, age := range []int{60, -1} {
		s.Options.MaxAge = age
		w := httptest.NewRecorder()
		if err := s.Save(f.request(), w); !errors.Is(err, context.Canceled) || w.Header().Get("Set-Cookie") != "" {
			t.Error(err, w.Header())
		}
	}
	f.want(f.value(f.cookie, "userID"), "alice")
}

func TestStoreReadsTheValidCookieBehindAPlantedOne(t *testing.T) {
	f := setUp(t)
	f.set("userID", "alice")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "app=planted; app="+f.cookie)
	s, err := f.store.Get(r, "app")
	f.must(err)
	f.want(s.Values["userID"], "alice")
}

// Old values stay reachable through the sessions that a program keeps, and only through those.
func TestStoreForgetsSessionsThatTheProgramForgot(t *testing.T) {
	f := setUp(t)
	for range 100 {
		f.set("k", 1)
	}
	for range 100 {
		runtime.GC()
		if gorilla.Remembered(f.store) < 10 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d sessions are remembered", gorilla.Remembered(f.store))
}

func TestStoreRefusesAPITokens(t *testing.T) {
	f := setUp(t)
	_, bot, err := f.sessions.CreateWith(t.Context(), sessile.NewSession{UserID: "alice", APIToken: true})
	f.must(err)
	f.want(f.value(bot.Reveal(), "userID"), nil)
	f.set("userID", "bob")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "app="+bot.Reveal()+"; app="+f.cookie)
	s, err := f.store.Get(r, "app")
	f.must(err)
	f.want(s.Values["userID"], "bob")
}

func TestStoreRefusesAnAdoptionWithoutConfirm(t *testing.T) {
	f := setUp(t)
	f.store.Adopt = func(*http.Request) (middleware.Login, bool) {
		l, err := f.store.Login(map[any]any{"userID": "alice"})
		return l, err == nil
	}
	for _, age := range []int{60, -1} {
		r, w := f.request(), httptest.NewRecorder()
		s, err := f.store.Get(r, "app")
		f.must(err)
		s.Options.MaxAge = age
		f.want(errors.Is(s.Save(r, w), sessile.ErrInvalidConfig), true)
		f.want(w.Header().Get("Set-Cookie"), "")
		f.want(f.count("alice"), 0)
	}
}

// A worker or another request replaces the token. Its response has the new cookie, which the old
// token must not overwrite.
func TestStoreDoesNotSendATokenThatWasReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t)
		f.set("userID", "alice")
		rotate := func() {
			list, err := f.sessions.ListForUser(t.Context(), "alice")
			f.must(err)
			wait(time.Second)
			_, _, err = f.sessions.Rotate(t.Context(), list[0].ID(), sessile.Rotation{Grace: true})
			f.must(err)
		}
		inFlight := f.do(func(s *sessions.Session) {
			rotate()
			s.Values["k"] = 1
		})
		f.want(inFlight.Header.Get("Set-Cookie"), "")
		later := f.set("k", 2) // within the grace period of the old token
		f.want(later.Header.Get("Set-Cookie"), "")
		f.want(f.value(f.cookie, "k"), 2)
	})
}
