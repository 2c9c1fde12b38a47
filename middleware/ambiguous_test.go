package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// sends is a request of the browser with these cookies of the session's name, in this order.
func (b *browser) sends(values ...string) *http.Request {
	r := b.request()
	r.Header.Del("Cookie")
	for _, v := range values {
		r.Header.Add("Cookie", b.f.m.CookieName()+"="+v)
	}
	return r
}

// planted are tokens that open nothing.
func planted() (values []string) {
	for _, c := range []string{"A", "B", "C"} {
		values = append(values, "AQ"+strings.Repeat(c, 50))
	}
	return values
}

// Four values come, and three are looked at. The fourth may be good.
func TestCookieThatNobodyLookedAtIsKept(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.login("alice")
	resp := b.serve(b.sends(append(planted(), b.cookie)...), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.want(h.IsAuthenticated(), false)
		f.wantErr(h.Set("cart", 1), middleware.ErrNoSession) // nor does a guest's replace it
	})
	f.want(golden(t, resp), "")
	f.want(b.user(), "alice")
}

// twice is a browser with two good cookies of one name, of another path or domain.
func twice(f *fixture, first, second string) (*browser, *http.Request) {
	b, other := f.login(first), f.login(second)
	return b, b.sends(b.cookie, other.cookie)
}

// alive counts the sessions of users.
func (f *fixture) alive(users ...string) (n int) {
	f.Helper()
	for _, user := range users {
		list, err := f.store.ListForUser(f.Context(), user)
		f.must(err)
		n += len(list)
	}
	return n
}

func TestLogoutEndsEverySessionThatTheBrowserSent(t *testing.T) {
	for name, out := range map[string]func(f *fixture, r *http.Request, h *middleware.Handle){
		"Logout": func(f *fixture, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) },
		"LogoutAll": func(f *fixture, r *http.Request, h *middleware.Handle) {
			_, err := h.LogoutAll(r.Context())
			f.must(err)
		},
		"Revoke": func(f *fixture, r *http.Request, h *middleware.Handle) {
			s, _ := h.Current()
			f.must(h.Revoke(r.Context(), s.ID()))
		},
	} {
		for _, second := range []string{"alice", "mallory"} {
			t.Run(name+" with a second cookie of "+second, func(t *testing.T) {
				f := setUp(t, sessile.Config{}, middleware.Options{})
				b, both := twice(f, "alice", second)
				elsewhere := f.login(second)
				b.take(b.serve(both, func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { out(f, r, h) }))
				f.want(b.user(), "")
				b.serve(both, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.want(h.IsAuthenticated(), false) })
				if name != "LogoutAll" { // what the browser did not send is nobody's business
					f.want(elsewhere.user(), second)
					f.want(f.alive("alice", "mallory"), 1)
				}
			})
		}
	}
}

func TestLoginEndsEverySessionThatTheBrowserSent(t *testing.T) {
	for _, second := range []string{"alice", "mallory"} {
		t.Run(second, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{})
			b, both := twice(f, "alice", second)
			b.take(b.serve(both, func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Authenticate(r.Context(), "alice"))
			}))
			f.want(b.user(), "alice")
			f.want(f.alive("alice", "mallory"), 1)
			b.serve(both, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.want(h.IsAuthenticated(), false) })
		})
	}
}

// A request looks at three values; a login and a logout at every one that a browser can send.
func TestLogoutAndLoginEndMoreSessionsThanARequestLooksAt(t *testing.T) {
	for name, act := range map[string]func(context.Context, *middleware.Handle) error{
		"Logout":       func(ctx context.Context, h *middleware.Handle) error { return h.Logout(ctx) },
		"LogoutAll":    func(ctx context.Context, h *middleware.Handle) error { _, err := h.LogoutAll(ctx); return err },
		"Authenticate": func(ctx context.Context, h *middleware.Handle) error { return h.Authenticate(ctx, "alice") },
	} {
		for _, first := range [][]string{nil, planted()} {
			t.Run(fmt.Sprint(name, " behind ", len(first), " planted values"), func(t *testing.T) {
				f := setUp(t, sessile.Config{}, middleware.Options{})
				values := slices.Clone(first)
				for range 6 {
					values = append(values, f.login("mallory").cookie)
				}
				b := f.browser()
				b.serve(b.sends(values...), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(act(r.Context(), h)) })
				f.want(f.alive("mallory"), 0)
			})
		}
	}
}

// A request with a megabyte of good cookies costs a bounded number of lookups.
func TestLogoutEndsABoundedNumberOfSessions(t *testing.T) {
	f := setUp(t, sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit}, middleware.Options{})
	var values []string
	for range 185 {
		_, token, err := f.store.Create(t.Context(), sessile.Meta{}, "mallory", nil)
		f.must(err)
		values = append(values, token.Reveal())
	}
	b := f.browser()
	b.serve(b.sends(values...), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) })
	f.want(f.alive("mallory"), 5)
}

// A second cookie that its browser has not, by its fingerprint, has no power here.
func TestLogoutLeavesACopyOfAnotherBrowserAlone(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Fingerprint: middleware.FingerprintReject})
	b, victim := f.browser(), f.browser()
	victim.header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0")
	victim.login("alice")
	b.login("mallory")
	b.serve(b.sends(b.cookie, victim.cookie), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) })
	f.want(victim.user(), "alice")
	f.want(f.alive("mallory"), 0)
}

// A bearer has decided against its cookies.
func TestLogoutOfABearerLeavesCookiesAlone(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Bearer: true})
	app, b := f.login("alice"), f.login("bob")
	r := b.request()
	r.Header.Set("Authorization", "Bearer "+app.cookie)
	b.serve(r, func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) })
	f.want(b.user(), "bob")
	f.want(f.alive("alice"), 0)
}

// Of two good cookies the first counts; it may be planted, for one path, and must not take
// the other's place on all of them.
func TestCookieBesideAnotherGoodOneIsNotRenewed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Hour})
		b, mallory := f.login("alice"), f.login("mallory")
		wait(2 * time.Hour)
		resp := b.serve(b.sends(mallory.cookie, b.cookie), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			user, _ := h.UserID()
			f.want(user, "mallory")
		})
		f.want(golden(t, resp), "")
		// Beside a dead one it is.
		resp = b.serve(b.sends(planted()[0], b.cookie), look)
		f.want(golden(t, resp), sentCookie)
		b.take(resp)
		f.want(b.user(), "alice")
	})
}
