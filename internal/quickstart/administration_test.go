package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// isAdmin is in docs/admin.md.
func isAdmin(r *http.Request) error {
	h := middleware.FromRequest(r)
	if err := h.Check(r.Context()); err != nil { // the session may have ended
		return err
	}
	if role, _, err := middleware.Get[string](h, "role"); err != nil || role != "admin" {
		return errors.Join(err, errors.New("not an administrator"))
	}
	return nil
}

// TestAdministrationOfTheDocsAsksWhoIsThere runs the code of docs/admin.md.
func TestAdministrationOfTheDocsAsksWhoIsThere(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	feed := new(admin.Feed) // the most recent events
	store, err := sessile.Open(ctx, sessile.Config{Events: feed.Observe})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	handler, err := admin.Handler(store, admin.Options{Prefix: "/admin", Authorize: isAdmin, Feed: feed})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := middleware.New(store, middleware.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/", sessions.Handler(handler)) // with the session middleware, because isAdmin uses it

	status := func(r *http.Request) int {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Code
	}
	request := func() *http.Request {
		return middlewaretest.Request(t, sessions, http.MethodGet, "/admin/api/health", "ann")
	}
	if got := status(httptest.NewRequestWithContext(ctx, http.MethodGet, "/admin/api/health", nil)); got != http.StatusForbidden {
		t.Errorf("a stranger gets %d", got)
	}
	if got := status(request()); got != http.StatusForbidden {
		t.Errorf("a user gets %d", got)
	}
	r := request()
	if _, err := store.UpdateAllForUser(ctx, "ann", new(sessile.Changes).Set("role", "admin")); err != nil {
		t.Fatal(err)
	}
	if got := status(r); got != http.StatusOK {
		t.Errorf("an administrator gets %d", got)
	}
	if _, err := store.DestroyAllForUser(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	if got := status(r); got != http.StatusForbidden {
		t.Errorf("an administrator who is logged out gets %d", got)
	}

	ended := make(chan error, 1)
	go func() {
		err := admin.ListenUnix(ctx, admin.SocketPath(store.Config().Path), store, admin.Options{}) // until ctx ends
		ended <- err
	}()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
