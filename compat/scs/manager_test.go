package scs_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/scs"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// fixture is a manager over a store, and a browser that keeps one cookie.
type fixture struct {
	*testing.T
	store  *sessile.Store
	m      *scs.SessionManager
	cookie string
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	store := middlewaretest.NewStore(t, sessile.Config{})
	return &fixture{T: t, store: store, m: scs.New(store, "userID")}
}

// do serves a request of the browser and keeps the cookie of the response.
func (f *fixture) do(h func(ctx context.Context)) *http.Response {
	f.Helper()
	return f.serve(func(_ http.ResponseWriter, r *http.Request) { h(r.Context()) })
}

func (f *fixture) serve(h http.HandlerFunc) *http.Response {
	f.Helper()
	r := httptest.NewRequestWithContext(f.Context(), http.MethodGet, "/", nil)
	if f.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "session", Value: f.cookie})
	}
	w := httptest.NewRecorder()
	f.m.LoadAndSave(h).ServeHTTP(w, r)
	resp := w.Result()
	for _, c := range resp.Cookies() {
		f.cookie = c.Value
	}
	return resp
}

// value returns a key as a new request of a browser with this cookie sees it.
func (f *fixture) value(cookie, key string) (v any) {
	f.Helper()
	b := *f
	b.cookie = cookie
	b.do(func(ctx context.Context) { v = f.m.Get(ctx, key) })
	return v
}

func (f *fixture) put(key string, v any) *http.Response {
	f.Helper()
	return f.do(func(ctx context.Context) { f.m.Put(ctx, key, v) })
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

// sessions returns how many sessions a user has.
func (f *fixture) sessions(user string) int {
	f.Helper()
	list, err := f.store.ListForUser(f.Context(), user)
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

func TestManagerGivesALoginANewToken(t *testing.T) {
	f := setUp(t)
	f.put("cart", []string{"tea"})
	guest := f.cookie
	f.put("userID", 42) // the program forgot RenewToken
	f.want(f.cookie != guest, true)
	f.want(f.value(guest, "cart"), nil)
	f.want(f.value(f.cookie, "cart").([]string)[0], "tea")
	f.want(f.sessions("42"), 1)

	alice := f.cookie
	f.put("userID", 43)
	f.want(f.value(alice, "userID"), nil)
	f.want(f.sessions("42"), 0)
	f.want(f.sessions("43"), 1)
}

func TestManagerLogsOutWithoutTheUser(t *testing.T) {
	f := setUp(t)
	f.put("userID", 42)
	user := f.cookie
	f.do(func(ctx context.Context) {
		f.m.Remove(ctx, "userID")
		f.m.Put(ctx, "flash", "You are logged out.")
	})
	f.want(f.value(f.cookie, "flash"), "You are logged out.")
	f.want(f.value(f.cookie, "userID"), nil)
	f.want(f.value(user, "userID"), nil)
	f.want(f.sessions("42"), 0)
}

// scs brings the session back when a request that was in flight during the logout writes.
func TestManagerKeepsALogoutFinal(t *testing.T) {
	f := setUp(t)
	f.put("userID", 42)
	user := f.cookie
	slow := *f
	resp := slow.do(func(ctx context.Context) {
		other := *f
		other.do(func(ctx context.Context) { f.must(f.m.Destroy(ctx)) })
		f.m.Put(ctx, "draft", "late")
	})
	f.want(resp.Header.Get("Set-Cookie"), "")
	f.want(f.value(user, "userID"), nil)
	f.want(f.sessions("42"), 0)
}

func TestManagerKeepsTheKeysOfParallelRequests(t *testing.T) {
	f := setUp(t)
	f.put("userID", 42)
	f.do(func(ctx context.Context) {
		other := *f
		other.put("a", 1)
		f.m.Put(ctx, "b", 2)
	})
	f.want(f.value(f.cookie, "a"), 1)
	f.want(f.value(f.cookie, "b"), 2)
}

type cart struct{ Items []string }

func TestManagerRestoresTypes(t *testing.T) {
	f := setUp(t)
	f.m.Register(cart{})
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	f.do(func(ctx context.Context) {
		f.m.Put(ctx, "cart", cart{[]string{"tea"}})
		f.m.Put(ctx, "int64", int64(7))
		f.m.Put(ctx, "float", 2.0)
		f.m.Put(ctx, "bytes", []byte("raw"))
		f.m.Put(ctx, "time", now)
	})
	f.do(func(ctx context.Context) {
		f.want(f.m.Get(ctx, "cart").(cart).Items[0], "tea")
		f.want(f.m.GetInt64(ctx, "int64"), int64(7))
		f.want(f.m.GetInt(ctx, "int64"), 0) // as in scs
		f.want(f.m.GetFloat(ctx, "float"), 2.0)
		f.want(string(f.m.GetBytes(ctx, "bytes")), "raw")
		f.want(f.m.GetTime(ctx, "time").Equal(now), true)
	})
}

func TestManagerRefusesTypesThatAreNotRegistered(t *testing.T) {
	f := setUp(t)
	resp := f.serve(func(w http.ResponseWriter, r *http.Request) {
		f.m.Put(r.Context(), "userID", 42)
		f.m.Put(r.Context(), "cart", cart{})
		_, _ = w.Write([]byte("done"))
	})
	f.want(resp.StatusCode, http.StatusInternalServerError)
	f.want(f.cookie, "")
	f.want(f.sessions("42"), 0)
}

func TestManagerWorksWithoutLoadAndSave(t *testing.T) {
	f := setUp(t)
	ctx, err := f.m.Load(t.Context(), "")
	f.must(err)
	f.m.Put(ctx, "userID", 42)
	token, expiry, err := f.m.Commit(ctx)
	f.must(err)
	f.want(expiry.After(time.Now().Add(23*time.Hour)), true)
	f.want(f.m.Token(ctx), token)

	ctx, err = f.m.Load(t.Context(), token)
	f.must(err)
	f.want(f.m.Status(ctx), scs.Unmodified)
	f.m.Put(ctx, "theme", "dark")
	f.must(f.m.RenewToken(ctx))
	renewed, _, err := f.m.Commit(ctx)
	f.must(err)
	f.want(renewed != token, true)
	f.want(f.value(renewed, "theme"), "dark")
	f.want(f.value(token, "theme"), nil)

	f.must(f.m.Destroy(ctx))
	f.want(f.m.Status(ctx), scs.Destroyed)
	f.want(f.value(renewed, "theme"), nil)
	f.want(f.sessions("42"), 0)
}

func TestManagerEndsSessionsAtTheirDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t)
		f.do(func(ctx context.Context) { // remember me: longer than Lifetime
			f.m.Put(ctx, "userID", 42)
			f.m.SetDeadline(ctx, time.Now().Add(48*time.Hour))
		})
		long := f.cookie
		wait(47 * time.Hour)
		f.want(f.value(long, "userID"), 42)
		f.cookie = long
		f.do(func(ctx context.Context) {
			f.m.SetDeadline(ctx, time.Now().Add(30*time.Minute))
			f.want(f.m.Deadline(ctx).Equal(time.Now().Add(30*time.Minute)), true)
		})
		wait(29 * time.Minute)
		f.want(f.value(long, "userID"), 42)
		wait(time.Minute)
		f.want(f.value(long, "userID"), nil)
		f.want(f.sessions("42"), 0)
	})
}

func TestManagerEndsGuestsAtTheirLifetime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t)
		f.put("k", 1)
		for range 2 { // accesses do not extend it
			wait(11 * time.Hour)
			f.want(f.value(f.cookie, "k"), 1)
		}
		wait(2 * time.Hour)
		f.want(f.value(f.cookie, "k"), nil)
	})
}

func TestManagerRenewTokenDoesNotExtendTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t)
		f.put("userID", 42)
		wait(23 * time.Hour)
		f.do(func(ctx context.Context) { f.must(f.m.RenewToken(ctx)) })
		wait(time.Hour)
		f.want(f.value(f.cookie, "userID"), nil)
	})
}

func TestManagerAnswersStoreFailuresWithErrorFunc(t *testing.T) {
	f := setUp(t)
	f.put("userID", 42)
	f.must(f.store.Close())
	f.want(f.put("k", 1).StatusCode, http.StatusServiceUnavailable)
	f.m = scs.New(f.store, "userID")
	f.m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		if !errors.Is(err, sessile.ErrClosed) {
			t.Error(err)
		}
		w.WriteHeader(http.StatusTeapot)
	}
	f.want(f.put("k", 1).StatusCode, http.StatusTeapot)
	if _, err := f.m.Load(t.Context(), f.cookie); !errors.Is(err, sessile.ErrClosed) {
		t.Error(err)
	}
}

func TestManagerGivesHandlersTheMiddleware(t *testing.T) {
	f := setUp(t)
	f.put("userID", 42)
	f.serve(func(_ http.ResponseWriter, r *http.Request) {
		devices, err := middleware.FromRequest(r).Devices(r.Context())
		f.must(err)
		f.want(len(devices), 1)
	})
}

func TestManagerCommitsBeforeAStreamBegins(t *testing.T) {
	f := setUp(t)
	server := httptest.NewServer(f.m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.m.Put(r.Context(), "userID", 42)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte("data: 1\n\n"))
	})))
	defer server.Close()
	resp, err := http.Get(server.URL)
	f.must(err)
	defer resp.Body.Close()
	f.want(len(resp.Cookies()), 1)
	f.want(f.sessions("42"), 1)
}

func TestManagerRefusesACookieForScripts(t *testing.T) {
	f := setUp(t)
	f.m.Cookie.HttpOnly = false
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, sessile.ErrInvalidConfig) {
			t.Error(err)
		}
	}()
	f.m.LoadAndSave(http.NotFoundHandler())
}

func TestManagerWritesTheCookieOfAProgramWithoutLoadAndSave(t *testing.T) {
	f := setUp(t)
	f.m.Cookie.Persist = false
	ctx, err := f.m.Load(t.Context(), "")
	f.must(err)
	for _, remember := range []bool{false, true} {
		f.m.RememberMe(ctx, remember)
		w := httptest.NewRecorder()
		f.m.WriteSessionCookie(ctx, w, "token", time.Now().Add(time.Hour))
		line := w.Header().Get("Set-Cookie")
		f.want(strings.Contains(line, "Max-Age=3"), remember)
		f.want(strings.Contains(line, "HttpOnly"), true)
	}
}

// Handlers may use the session from several goroutines, as with scs.
func TestManagerIsSafeForConcurrentUse(t *testing.T) {
	f := setUp(t)
	f.do(func(ctx context.Context) {
		var wg sync.WaitGroup
		for _, key := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				f.m.Put(ctx, key, 1)
				f.m.Keys(ctx)
				f.m.Status(ctx)
			})
		}
		wg.Wait()
	})
	f.want(f.value(f.cookie, "d"), 1)
}

// The recipe of scs's README for all sessions of one user.
func TestManagerIteratesOverSessions(t *testing.T) {
	f := setUp(t)
	for _, user := range []int{4, 5, 4, 4} {
		f.cookie = ""
		f.put("userID", user)
	}
	seen := 0
	f.must(f.m.Iterate(t.Context(), func(ctx context.Context) error {
		seen++
		f.want(f.m.Token(ctx), "")
		if f.m.GetInt(ctx, "userID") == 4 {
			return f.m.Destroy(ctx)
		}
		f.m.Put(ctx, "notice", "new terms")
		_, _, err := f.m.Commit(ctx)
		return err
	}))
	f.want(seen, 4)
	f.want(f.sessions("4"), 0)
	f.want(f.sessions("5"), 1)
	failed := errors.New("fn")
	f.must(f.m.Iterate(t.Context(), func(ctx context.Context) error {
		f.want(f.m.GetString(ctx, "notice"), "new terms")
		return nil
	}))
	if err := f.m.Iterate(t.Context(), func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
}
