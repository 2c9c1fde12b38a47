package middleware_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestLoadThatFailsIsNotAGuest(t *testing.T) { // S48
	f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{})
	b := f.browser()
	b.cookie = f.coldToken("alice")
	f.fail(persisttest.ByHash, errors.New("the disk is on fire"))
	entered := false
	resp := b.do(func(http.ResponseWriter, *http.Request, *middleware.Handle) { entered = true })
	f.want(resp.StatusCode, http.StatusServiceUnavailable)
	f.want(entered, false)
	f.want(len(resp.Header["Set-Cookie"]), 0)
	f.heal()
	f.want(b.user(), "alice")
}

func TestLoadThatFailsServesGuestsIfTheApplicationAllowsIt(t *testing.T) { // AllowAnonymousOnError
	f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{AllowAnonymousOnError: true})
	b := f.browser()
	b.cookie = f.coldToken("alice")
	f.fail(persisttest.ByHash, errors.New("the disk is on fire"))
	resp := b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.want(h.IsAuthenticated(), false)
		if h.Err() == nil {
			t.Error("Err says nothing")
		}
	})
	f.want(resp.StatusCode, http.StatusOK)
	f.want(len(resp.Header["Set-Cookie"]), 0)
	f.heal()
	f.want(b.user(), "alice")
}

func TestLoadCostsOneLookupWithoutAccess(t *testing.T) { // and no other store call
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	before, reads := f.store.Stats(), f.reads.Load()
	b.do(nothing)
	after := f.store.Stats()
	f.want(after.Hits-before.Hits, uint64(1))
	f.want(f.reads.Load()-reads, int64(0))
	after.Hits = before.Hits
	f.want(after, before)
}

// fill leaves no space in the session of a request.
func (f *fixture) fill(r *http.Request, h *middleware.Handle) error {
	s, _ := h.Current()
	_, err := f.store.Update(r.Context(), s.ID(), new(sessile.Changes).Set("x", strings.Repeat("y", 92)))
	return err
}

func TestLoadTellsOfSeveralCookiesAndOfAnUnreadableSession(t *testing.T) { // S10, S50
	f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{})
	b := f.login("alice")
	f.want(b.user(), "alice")
	f.want(f.count(sessile.EventAmbiguousCookies), 0)
	_, both := twice(f, "bob", "carol")
	b.serve(both, func(http.ResponseWriter, *http.Request, *middleware.Handle) {})
	f.want(f.count(sessile.EventAmbiguousCookies), 1)

	b.cookie = f.coldToken("dave")
	f.want(f.count(sessile.EventUnreadable), 0)
	f.fail(persisttest.ByHash, persist.ErrCorrupt)
	f.want(b.do(func(http.ResponseWriter, *http.Request, *middleware.Handle) {}).StatusCode, http.StatusOK)
	f.want(f.count(sessile.EventUnreadable), 1)
}

func TestLoadTellsOfAnUnknownTokenUnlessItWasReplaced(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	slow := b.request()
	b.login("alice")
	b.serve(slow, nothing)
	f.want(f.count(sessile.EventUnknownToken), 0)
	b.serve(b.sends(planted()[0]), nothing)
	f.want(f.count(sessile.EventUnknownToken), 1)
}
