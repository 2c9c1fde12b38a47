package middleware_test

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist"
)

// Of several requests of one browser the response of any may come last. Each of these
// sequences took a good cookie away before its fix (A25).
func TestCookieThatIsNewerIsNotReplacedByASlowResponse(t *testing.T) {
	login := func(f *fixture) action {
		return func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Authenticate(r.Context(), "alice"))
		}
	}
	logout := func(f *fixture) action {
		return func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) }
	}
	change := func(f *fixture, h *middleware.Handle) {
		f.must(h.Update(f.Context(), new(sessile.Changes).Set("slow", 1)))
	}
	for name, slow := range map[string]func(f *fixture, b *browser, h *middleware.Handle){
		"renewed, then another rotates": func(f *fixture, b *browser, h *middleware.Handle) {
			change(f, h)
			b.do(rotate(f))
		},
		"renewed, then another logs in": func(f *fixture, b *browser, h *middleware.Handle) {
			change(f, h)
			b.do(login(f))
		},
		"another logs out, then in": func(f *fixture, b *browser, h *middleware.Handle) {
			b.do(logout(f))
			b.do(login(f))
			f.must(h.Set("slow", 1))
		},
		"another logs out and in at once": func(f *fixture, b *browser, h *middleware.Handle) {
			b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Logout(r.Context()))
				f.must(h.Authenticate(r.Context(), "alice"))
			})
			f.must(h.Set("slow", 1))
		},
		"another logs in a minute before the end": func(f *fixture, b *browser, h *middleware.Handle) {
			b.do(login(f))
			wait(2 * time.Minute)
			f.must(h.Set("slow", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := setUp(t, sessile.Config{TouchInterval: time.Minute}, middleware.Options{})
				b := f.login("alice")
				wait(2 * time.Minute)
				resp := b.serve(b.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { slow(f, b, h) })
				f.want(golden(t, resp), "")
				f.want(b.take(resp).StatusCode, http.StatusOK)
				f.want(b.user(), "alice")
			})
		})
	}
}

// The same with a token that the slow request has made itself: the login, which was
// under way, has ended its session.
func TestCookieOfAnEndedSessionIsNotSent(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	var slow *http.Response
	b.do(func(_ http.ResponseWriter, r *http.Request, login *middleware.Handle) {
		slow = b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Rotate(r.Context()))
			f.must(login.Authenticate(r.Context(), "alice"))
		})
	})
	f.want(golden(t, slow), "")
	b.take(slow)
	f.want(b.user(), "alice")
}

// The same with a cookie that is dead already: its removal is decided when the request
// is looked up, and a login may come in between.
func TestLoginOverADeadCookieIsNotUndone(t *testing.T) {
	for name, c := range map[string]struct {
		guests bool
		slow   action
	}{
		"removed":            {false, look},
		"removed for guests": {true, look},
		"replaced by a guest's": {true, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			_ = h.Set("cart", 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{Guests: c.guests})
			b := f.login("alice")
			f.must(f.store.Destroy(t.Context(), b.session().ID()))
			resp := b.serve(b.request(), func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				b.login("alice")
				c.slow(w, r, h)
			})
			f.want(golden(t, resp), "")
			b.take(resp)
			f.want(b.user(), "alice")
		})
	}
}

// A browser clears what Clear-Site-Data names after it has stored the cookie.
func TestLogoutClearSiteDataSparesANewCookie(t *testing.T) {
	for directives, want := range map[string]string{
		`"cache", "cookies", "storage"`: `"cache", "storage"`, `"*"`: "", `"cookies"`: "",
	} {
		f := setUp(t, sessile.Config{}, middleware.Options{ClearSiteData: directives})
		b := f.login("alice")
		resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Logout(r.Context()))
			f.must(h.Authenticate(r.Context(), "bob"))
		})
		f.want(resp.Header.Get("Clear-Site-Data"), want)
		f.want(b.user(), "bob")
		resp = b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) })
		f.want(resp.Header.Get("Clear-Site-Data"), directives)
	}
}

// A session of a few minutes slides as any other, and its cookie with it: the touch
// interval is then half of its lifetime.
func TestTouchExtendsAShortSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TouchInterval: 5 * time.Minute}, middleware.Options{})
		b := f.browser()
		const ttl = 4 * time.Minute
		b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Login(r.Context(), middleware.Login{UserID: "alice", TTL: ttl}))
		})
		sent := time.Now()
		for range 20 {
			wait(90 * time.Second)
			if time.Since(sent) >= ttl {
				t.Fatal("the browser has dropped the cookie")
			}
			if golden(t, b.do(look)) != "" {
				sent = time.Now()
			}
			f.want(b.user(), "alice")
		}
	})
}

// S25: no shared cache keeps a response with a cookie, whatever a handler said to
// those of a CDN (RFC 9213).
func TestCacheHeadersKeepCookiesOutOfSharedCaches(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.browser()
	names := []string{"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"}
	cached := func(w http.ResponseWriter) {
		for _, name := range names {
			w.Header().Set(name, "max-age=600")
		}
		w.Header().Set("Cache-Control", "public")
	}
	resp := b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		cached(w)
		f.must(h.Authenticate(r.Context(), "alice"))
	})
	f.want(resp.Header.Get("Cache-Control"), "no-store")
	for _, name := range names {
		f.want(resp.Header.Get(name), "")
	}
	resp = b.do(func(w http.ResponseWriter, _ *http.Request, _ *middleware.Handle) { cached(w) })
	f.want(resp.Header.Get("Cache-Control"), "public")
	f.want(resp.Header.Get(names[0]), "max-age=600")
}

func TestLoginAfterAFailedReadIsComplete(t *testing.T) {
	f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{AllowAnonymousOnError: true})
	b := f.browser()
	b.cookie = f.coldToken("alice")
	f.disk.failReads(persist.ErrUnavailable)
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.wantErr(h.Err(), sessile.ErrUnavailable)
		f.disk.heal()
		f.must(h.Authenticate(r.Context(), "bob"))
		f.must(h.Err())
		f.must(h.Set("k", 1))
	})
	f.want(b.user(), "bob")
	f.want(valueOf[int](b, "k"), 1)
}

// I5: of two changes of one key the later counts.
func TestUpdateAppliesAfterTheSetsBeforeIt(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("k", 1))
		f.must(h.Update(r.Context(), new(sessile.Changes).Set("k", 2)))
	})
	f.want(valueOf[int](b, "k"), 2)
}

// Of two rotations at once one loses, and nothing else (pending changes
// are flushed whatever else happened).
func TestRotateThatFailsLosesNoChanges(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	resp := b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("k", 1))
		b.do(rotate(f))
		if err := h.Rotate(r.Context()); !errors.As(err, new(*sessile.RotatedError)) {
			t.Error(err)
		}
	})
	f.want(golden(t, resp), "")
	f.want(valueOf[int](b, "k"), 1)
}

// The token before is dead: whoever answers for a handler that panicked sends the new one.
func TestRotateBeforeAPanicSendsTheToken(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	w := httptest.NewRecorder()
	func() {
		defer func() {
			_ = recover()
			w.WriteHeader(http.StatusInternalServerError)
		}()
		f.m.Handler(handler(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Rotate(r.Context()))
			f.must(h.Set("lost", 1))
			panic("a handler")
		})).ServeHTTP(w, b.request())
	}()
	b.take(w.Result())
	f.want(b.user(), "alice")
	f.want(valueOf[int](b, "lost"), 0)
}

// hijackable is a connection that somebody takes over.
type hijackable struct{ *httptest.ResponseRecorder }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

// Who takes the connection over writes the headers, and mostly not ours: a token that
// was replaced then would never reach the browser.
func TestRotateEveryDoesNotRotateAHijackedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Minute})
		b := f.login("alice")
		wait(2 * time.Minute)
		f.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _, err := w.(http.Hijacker).Hijack()
			f.must(err)
		})).ServeHTTP(hijackable{httptest.NewRecorder()}, b.request())
		f.want(f.sessionOf(b).RotatedAt().IsZero(), true)
		b.do(look)
		f.want(f.sessionOf(b).RotatedAt().IsZero(), false)
	})
}
