package middleware_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// keysOf returns the keys of the session as a new request sees them.
func (b *browser) keysOf() (keys string) {
	b.f.Helper()
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { keys = strings.Join(h.Keys(), " ") })
	return keys
}

func TestKeysIncludePendingChanges(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		for _, key := range []string{"b", "a", "gone"} {
			f.must(h.Set(key, 1))
		}
		f.want(strings.Join(h.Keys(), " "), "a b gone")
	})
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("aa", nil))
		f.must(h.Set("b", 2))
		f.must(h.Delete("gone"))
		f.must(h.Delete("never"))
		f.want(strings.Join(h.Keys(), " "), "a aa b")
		f.want(strings.Join(h.Keys(), " "), "a aa b")
	})
	f.want(b.keysOf(), "a aa b")
	f.want(f.browser().keysOf(), "")
	f.want(len(new(middleware.Handle).Keys()), 0)
}

func TestHasIncludesPendingChanges(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(set(f, "stored", 1))
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("null", nil))
		f.want(h.Has("stored") && h.Has("null"), true)
		f.must(h.Delete("stored"))
		f.want(h.Has("stored") || h.Has("never"), false)
	})
	f.browser().do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.want(h.Has("stored"), false) })
	f.want(new(middleware.Handle).Has("stored"), false)
}

func TestGetOrReturnsTheOtherValueIfThereIsNone(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(set(f, "stored", 0))
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("pending", "x"))
		f.want(middleware.GetOr(h, "stored", 7), 0)
		f.want(middleware.GetOr(h, "pending", "y"), "x")
		f.want(middleware.GetOr(h, "pending", 7), 7) // another type
		f.want(middleware.GetOr(h, "never", 7), 7)
	})
	f.want(middleware.GetOr(new(middleware.Handle), "stored", 7), 7)
}

func TestClearDeletesEveryKeyAndKeepsTheSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("a", 1))
		f.must(h.AddFlash("info", "hello"))
	})
	parallel := f.browser()
	parallel.cookie = b.cookie
	b.do(func(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("b", 1))
		parallel.do(set(f, "parallel", 1))
		f.must(h.Clear())
		f.want(len(h.Keys()), 0)
		f.must(h.Set("after", 1))
		w.WriteHeader(http.StatusOK)
		f.wantErr(h.Clear(), middleware.ErrHeadersSent)
	})
	f.want(b.keysOf(), "after parallel")
	f.want(b.user(), "alice")
}

func TestClearBeginsNoGuestSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	resp := f.browser().do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("cart", 1))
		f.must(h.Clear())
	})
	f.want(golden(t, resp), "")
	f.want(f.store.Stats().Created, uint64(0))
}
