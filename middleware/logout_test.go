package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestLogoutEndsTheSessionAndRemovesTheCookie(t *testing.T) { // A21, ASVS 7.4.1
	for name, tt := range map[string]struct {
		opts  middleware.Options
		clear string
	}{
		"plain":           {},
		"Clear-Site-Data": {middleware.Options{ClearSiteData: `"cache", "storage"`}, `"cache", "storage"`}, // S18
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, tt.opts)
			b := f.login("alice")
			old := b.cookie
			resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Set("k", 1))
				f.must(h.Logout(r.Context()))
				f.want(h.IsAuthenticated(), false)
				f.wantErr(h.Set("k", 1), middleware.ErrNoSession)
				f.must(h.Logout(r.Context())) // once more is nothing
			})
			f.want(golden(t, resp), "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
			f.want(resp.Header.Get("Clear-Site-Data"), tt.clear)
			replay := &browser{f: f, cookie: old}
			f.want(replay.user(), "")
			f.want(replay.do(look).Header.Get("Clear-Site-Data"), "")
		})
	}
}

func TestLogoutAfterTheFirstByteEndsTheSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	resp := b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		w.WriteHeader(http.StatusOK)
		f.must(h.Logout(r.Context()))
	})
	f.want(golden(t, resp), "")
	resp = b.do(look)
	f.want(golden(t, resp), "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
}

func TestLogoutAllAndLogoutOthersEndTheSessionsOfTheUser(t *testing.T) { // ASVS 7.4.2, 7.4.3; A23
	f := setUp(t, sessile.Config{}, middleware.Options{})
	here, there, third, stranger := f.login("alice"), f.login("alice"), f.login("alice"), f.login("bob")
	resp := here.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		n, err := h.LogoutOthers(r.Context())
		f.must(err)
		f.want(n, 2)
	})
	f.want(golden(t, resp), "")
	f.want(here.user()+there.user()+third.user()+stranger.user(), "alicebob")

	there.login("alice")
	here.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		n, err := h.LogoutAll(r.Context())
		f.must(err)
		f.want(n, 2)
	})
	f.want(here.cookie, "")
	f.want(here.user()+there.user()+stranger.user(), "bob")
}

func TestLogoutAllOfAGuestEndsOneSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b, other := f.browser(), f.browser()
	b.do(set(f, "k", 1))
	other.do(set(f, "k", 1))
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		n, err := h.LogoutAll(r.Context())
		f.must(err)
		f.want(n, 1)
	})
	f.want(b.cookie, "")
	f.want(valueOf[int](other, "k"), 1)
}

// A browser applies Clear-Site-Data after it has stored the cookie.
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

// A request tries three values. A login and a logout try every one that a browser can send.
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

// A request with a megabyte of valid cookies costs a limited number of lookups.
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

// A second cookie of another browser, by its fingerprint, has no power here.
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

// The cookies of a request with a bearer token do not count.
func TestLogoutOfABearerLeavesCookiesAlone(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Bearer: true})
	app, b := f.login("alice"), f.login("bob")
	r := b.request()
	r.Header.Set("Authorization", "Bearer "+app.cookie)
	b.serve(r, func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) })
	f.want(b.user(), "bob")
	f.want(f.alive("alice"), 0)
}

func TestLogoutAllOfAnEndedGuestEndsNothing(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.browser()
	b.do(set(f, "cart", 1))
	b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		s, _ := h.Current()
		f.must(f.store.Destroy(r.Context(), s.ID()))
		n, err := h.LogoutAll(r.Context())
		f.want(n, 0)
		f.wantErr(err, sessile.ErrNotFound)
	})
}
