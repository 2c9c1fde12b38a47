package middleware_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestAFailedReadIsNoGuest(t *testing.T) { // S48; semantics §5: "store error treated as guest"
	f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{})
	b := f.browser()
	b.cookie = f.coldToken("alice")
	f.disk.failReads(errors.New("the disk is on fire"))
	entered := false
	resp := b.do(func(http.ResponseWriter, *http.Request, *middleware.Handle) { entered = true })
	f.want(resp.StatusCode, http.StatusServiceUnavailable)
	f.want(entered, false)
	f.want(len(resp.Header["Set-Cookie"]), 0)
	f.disk.heal()
	f.want(b.user(), "alice")
}

func TestAnApplicationMayServeGuestsWhileTheStoreIsDown(t *testing.T) { // semantics §4: AllowAnonymousOnError
	f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{AllowAnonymousOnError: true})
	b := f.browser()
	b.cookie = f.coldToken("alice")
	f.disk.failReads(errors.New("the disk is on fire"))
	resp := b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.want(h.IsAuthenticated(), false)
		if h.Err() == nil {
			t.Error("Err says nothing")
		}
	})
	f.want(resp.StatusCode, http.StatusOK)
	f.want(len(resp.Header["Set-Cookie"]), 0)
	f.disk.heal()
	f.want(b.user(), "alice")
}
