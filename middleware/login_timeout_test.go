package middleware_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// timedOut serves a request in http.TimeoutHandler, waits until the handler returns, and returns
// the response.
func (f *fixture) timedOut(b *browser, around func(http.Handler) http.Handler, a action) *httptest.ResponseRecorder {
	f.Helper()
	ended := make(chan struct{})
	w := httptest.NewRecorder()
	inner := around(f.m.Handler(handler(a)))
	http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		inner.ServeHTTP(w, r)
	}), time.Second, "too late").ServeHTTP(w, b.request())
	<-ended
	return w
}

// ends are the ways in which a handler may end, after its time or close to it.
func ends() map[string]func(w http.ResponseWriter, late func()) {
	return map[string]func(w http.ResponseWriter, late func()){
		"write too late": func(w http.ResponseWriter, late func()) {
			late()
			_, _ = io.WriteString(w, "hello")
		},
		"write, and run on": func(w http.ResponseWriter, late func()) {
			_, _ = io.WriteString(w, "hello")
			late()
		},
		"write, and write again too late": func(w http.ResponseWriter, late func()) {
			_, _ = w.Write([]byte("hello"))
			late()
			_, err := w.Write([]byte("hello"))
			if !errors.Is(err, http.ErrHandlerTimeout) {
				panic(err)
			}
		},
		"redirect too late":       func(w http.ResponseWriter, late func()) { late(); w.WriteHeader(http.StatusSeeOther) },
		"redirect, and run on":    func(w http.ResponseWriter, late func()) { w.WriteHeader(http.StatusSeeOther); late() },
		"write nothing, too late": func(_ http.ResponseWriter, late func()) { late() },
	}
}

// unwrapping is a writer that only leads to another by Unwrap.
type unwrapping struct{ http.ResponseWriter }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// unwrappers puts such a writer in front of the handler.
func unwrappers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(unwrapping{w}, r) })
}

func TestLoginWhoseResponseTimesOutIsUndone(t *testing.T) { // Authenticate: "If the response never begins, or cannot be committed"
	for name, end := range ends() {
		for where, around := range map[string]func(http.Handler) http.Handler{
			"":                    func(h http.Handler) http.Handler { return h },
			", through a wrapper": unwrappers,
			", through two":       func(h http.Handler) http.Handler { return unwrappers(unwrappers(h)) },
			", through an opaque one": func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					h.ServeHTTP(struct {
						http.ResponseWriter
						flushes
					}{w, flushes{}}, r)
				})
			},
		} {
			if name == "write nothing, too late" && strings.HasSuffix(where, "opaque one") {
				continue // nothing tells
			}
			t.Run(name+where, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
					for what, begin := range map[string]func(context.Context, *middleware.Handle) error{
						"login": func(ctx context.Context, h *middleware.Handle) error { return h.Authenticate(ctx, "alice") },
						"guest": func(_ context.Context, h *middleware.Handle) error { return h.Set("cart", 1) },
					} {
						w := f.timedOut(f.browser(), around, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
							f.must(begin(r.Context(), h))
							end(w, func() { wait(2 * time.Second) })
						})
						f.want(w.Code, http.StatusServiceUnavailable)
						f.want(len(w.Header()["Set-Cookie"]), 0)
						n := f.sessions()
						if n != 0 {
							t.Errorf("%s: %d sessions are left behind", what, n)
						}
					}
				})
			})
		}
	}
}

// sessions returns the number of sessions, once everything is on disk.
func (f *fixture) sessions() int {
	f.Helper()
	f.must(f.store.Sync(f.Context()))
	return f.count(sessile.EventCreated) - f.count(sessile.EventDestroyed)
}

func TestLoginInTimeIsKept(t *testing.T) { // the control
	for name, end := range ends() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := setUp(t, sessile.Config{}, middleware.Options{})
				b := f.browser()
				b.take(f.timedOut(b, unwrappers, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					defer func() { _ = recover() }() // the second write is no error here
					f.must(h.Authenticate(r.Context(), "alice"))
					end(w, func() {})
				}).Result())
				f.want(b.user(), "alice")
			})
		})
	}
}

// A deadline of the request's context alone does not answer in the handler's place: chi's Timeout.
func TestLoginOutlivesADeadlineThatLetsItsResponseThrough(t *testing.T) {
	for name, end := range ends() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := setUp(t, sessile.Config{}, middleware.Options{})
				b := f.browser()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				w := httptest.NewRecorder()
				f.m.Handler(handler(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					defer func() { _ = recover() }() // the second write is no error here
					f.must(h.Authenticate(r.Context(), "alice"))
					end(w, func() { wait(2 * time.Second) })
				})).ServeHTTP(w, b.request().WithContext(ctx))
				if name == "write nothing, too late" {
					w.WriteHeader(http.StatusGatewayTimeout) // as chi's Timeout does: nobody was faster
					f.want(w.Code, http.StatusGatewayTimeout)
				}
				b.take(w.Result())
				f.want(b.user(), "alice")
			})
		})
	}
}

func TestSetInATimedOutRequestIsKept(t *testing.T) { // changes are flushed whatever else happened
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{})
		b := f.login("alice")
		f.timedOut(b, unwrappers, func(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			f.must(h.Set("n", 7))
			wait(2 * time.Second)
			_, _ = io.WriteString(w, "hello")
		})
		f.want(b.user(), "alice")
		f.want(valueOf[int](b, "n"), 7)
	})
}
