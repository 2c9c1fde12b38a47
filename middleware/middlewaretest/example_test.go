package middlewaretest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// Three parts of an application: a handler, a service that finds the user in its context, and a
// rule about sessions.
func page(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte("hello " + greetingOf(r.Context())))
}

func greetingOf(ctx context.Context) string {
	user, _ := middleware.From(ctx).UserID()
	return user
}

func mayPay(s sessile.Session, now time.Time) bool {
	return !s.IsGuest() && now.Sub(s.AuthenticatedAt()) < 5*time.Minute
}

// A request of a user, to test a whole handler.
func ExampleRequest() {
	_ = func(t *testing.T) { // a test of the application
		sessions := middlewaretest.New(t, middleware.Options{})
		w := httptest.NewRecorder()
		sessions.Handler(http.HandlerFunc(page)).ServeHTTP(w, middlewaretest.Request(t, sessions, "GET", "/", "alice"))
		if w.Body.String() != "hello alice" {
			t.Error(w.Body)
		}
	}
}

// A context with a user's Handle, to test code behind a handler.
func ExampleWithHandle() {
	_ = func(t *testing.T) {
		sessions := middlewaretest.New(t, middleware.Options{})
		r := middlewaretest.WithHandle(t, sessions, middlewaretest.Request(t, sessions, "GET", "/", "alice"))
		if greetingOf(r.Context()) != "alice" {
			t.Error("nobody is greeted")
		}
	}
}

// A Session for a test without a request.
func ExampleSession() {
	_ = func(t *testing.T) {
		now := time.Now()
		old := middlewaretest.Session(t, middlewaretest.SessionSpec{UserID: "alice", CreatedAt: now.Add(-time.Hour)})
		if mayPay(old, now) {
			t.Error("a login of an hour ago is enough to pay")
		}
	}
}
