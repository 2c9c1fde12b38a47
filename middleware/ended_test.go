package middleware_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// endedOf returns what a request of the browser learns of the end of its session.
func (b *browser) endedOf(r *http.Request) (reason sessile.EndReason) {
	b.f.Helper()
	b.serve(r, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { reason = h.Ended() })
	return reason
}

func TestEndedSaysWhyTheSessionHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{MaxSessionsPerUser: 1, TTL: time.Hour}, middleware.Options{Bearer: true})
		for user, end := range map[string]struct {
			do   func(b *browser)
			want sessile.EndReason
		}{
			"evicted": {func(*browser) { f.login("evicted") }, sessile.EndEvicted},
			"replaced": {func(b *browser) {
				twin := f.browser()
				twin.cookie = b.cookie
				twin.login("replaced")
			}, sessile.EndReplaced},
			"revoked": {func(*browser) {
				_, err := f.store.DestroyAllForUser(t.Context(), "revoked", "revoked by support")
				f.must(err)
			}, "revoked by support"},
			"active": {func(*browser) {}, ""},
		} {
			b := f.login(user)
			token, err := sessile.ParseToken(b.cookie)
			f.must(err)
			end.do(b)
			f.want(b.endedOf(b.request()), end.want)
			r := f.browser().bearing(token)
			f.want(b.endedOf(r), end.want)
		}
		idle := f.login("idle")
		wait(time.Hour)
		f.want(idle.endedOf(idle.request()), sessile.EndIdle)
		f.want(f.browser().endedOf(f.browser().request()), sessile.EndReason(""))
		f.want(f.browser().endedOf(f.browser().sends(planted()...)), sessile.EndReason(""))
		f.want(new(middleware.Handle).Ended(), sessile.EndReason(""))
	})
}

func TestDenySaysWhyTheSessionHasEnded(t *testing.T) {
	f := setUp(t, sessile.Config{MaxSessionsPerUser: 1}, middleware.Options{})
	b := f.login("alice")
	f.login("alice")
	var body struct {
		Reason middleware.Reason
		Ended  sessile.EndReason
	}
	f.must(json.NewDecoder(f.refused(b, middleware.RequireUser(""), "application/json").Body).Decode(&body))
	f.want(body.Reason, middleware.DeniedNoUser)
	f.want(body.Ended, sessile.EndEvicted)
}

// The redirect to the login page removes the cookie, so the reason goes into a guest session.
func TestFlashTellsTheNextPageWhyTheSessionHasEnded(t *testing.T) {
	f := setUp(t, sessile.Config{MaxSessionsPerUser: 1}, middleware.Options{
		Guests: true,
		OnDenied: func(w http.ResponseWriter, r *http.Request, d middleware.Denial) {
			if d.Ended != "" {
				_ = middleware.FromRequest(r).AddFlash("ended", string(d.Ended))
			}
			middleware.Deny(w, r, d)
		},
	})
	b := f.login("alice")
	f.login("alice")
	w := httptest.NewRecorder()
	f.m.Handler(middleware.RequireUser("/login")(http.NotFoundHandler())).ServeHTTP(w, b.asks("GET", "/account", true))
	f.want(w.Header().Get("Location"), "/login?next=%2Faccount")
	b.take(w.Result())
	var shown []middleware.Flash
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		var err error
		shown, err = h.Flashes()
		f.must(err)
	})
	f.want(len(shown), 1)
	f.want(shown[0], middleware.Flash{Kind: "ended", Text: string(sessile.EndEvicted)})
}
