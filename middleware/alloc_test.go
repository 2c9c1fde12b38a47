//go:build !race

package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// allocations returns the number of objects that one request allocates.
func allocations(h http.Handler, r *http.Request) float64 {
	w := httptest.NewRecorder()
	return testing.AllocsPerRun(1000, func() {
		clear(w.Header())
		h.ServeHTTP(w, r)
	})
}

// TestAllocsOfAReadOnlyRequestAreFew: one object holds what the request needs, including its copy.
// The Vary header is another. Three are the limit.
func TestAllocsOfAReadOnlyRequestAreFew(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(set(f, "n", 7))
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		user, ok := h.UserID()
		n, _, err := middleware.Get[int](h, "n")
		if !ok || user != "alice" || n != 7 || err != nil {
			t.Error("not alice's session")
		}
		w.WriteHeader(http.StatusOK)
	})
	empty := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	bare, ours := allocations(empty, b.request()), allocations(f.m.Handler(app), b.request())
	t.Logf("%v objects more than the bare handler's %v", ours-bare, bare)
	if ours-bare > 3 {
		t.Errorf("%v objects more than the bare handler's %v", ours-bare, bare)
	}
}
