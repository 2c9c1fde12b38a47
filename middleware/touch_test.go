package middleware_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

func TestRenewIsAnAccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: time.Minute}, middleware.Options{})
		b := f.login("alice")
		b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			w.WriteHeader(http.StatusOK) // a stream
			for range 5 {
				wait(50 * time.Second)
				f.must(h.Renew(r.Context()))
			}
			wait(time.Minute)
			f.wantErr(h.Renew(r.Context()), sessile.ErrExpired) // an expired one is not revived
			f.wantErr(h.Renew(r.Context()), middleware.ErrNoSession)
		})
	})
}

// A session of a few minutes slides like any other, and so does its cookie. The touch interval is
// then half of its lifetime.
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

func TestTouchThatIsLostDoesNotFailTheRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{CacheSize: 1, TouchInterval: time.Minute}, middleware.Options{})
		b := f.login("alice")
		wait(2 * time.Minute)
		f.want(b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			f.want(h.IsAuthenticated(), true)
			f.coldToken("bob") // alice's session leaves memory
			f.fail(persisttest.ByID, persist.ErrUnavailable)
		}).StatusCode, http.StatusOK)
		f.heal()
		f.want(b.user(), "alice")
	})
}
