package admin_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// open opens a store in a new directory, for an example. done closes and removes it.
func open(cfg sessile.Config) (store *sessile.Store, dir string, done func()) {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	cfg.Path = filepath.Join(dir, "sessions.db")
	if store, err = sessile.Open(context.Background(), cfg); err != nil {
		log.Fatal(err)
	}
	return store, dir, func() {
		_ = store.Close()
		_ = os.RemoveAll(dir)
	}
}

// adminsOf returns an Authorize for the tokens of users with the role admin. It asks the store each
// time, because the session may have ended. An application with the session middleware calls
// Handle.Check instead.
func adminsOf(store *sessile.Store) func(*http.Request) error {
	return func(r *http.Request) error {
		s, err := store.Lookup(r.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if err != nil {
			return err
		}
		if role, _, err := sessile.Get[string](s, "role"); err != nil || role != "admin" {
			return errors.Join(err, errors.New("not an administrator"))
		}
		return nil
	}
}

// The dashboard and the API at /admin/, for users with the role admin.
func ExampleHandler() {
	store, _, done := open(sessile.Config{})
	defer done()
	handler, err := admin.Handler(store, admin.Options{Prefix: "/admin", Authorize: adminsOf(store)})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/", handler)

	for _, role := range []string{"user", "admin"} {
		_, token, err := store.Create(context.Background(), sessile.Meta{}, "ann", map[string]any{"role": role})
		if err != nil {
			log.Fatal(err)
		}
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/admin/api/health", nil)
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(role, w.Code)
	}
	// Output:
	// user 403
	// admin 200
}

// A dashboard that only shows: no buttons, no backups, and one key of the session data.
func ExampleOptions() {
	store, _, done := open(sessile.Config{})
	defer done()
	handler, err := admin.Handler(store, admin.Options{
		Authorize: func(*http.Request) error { return nil }, // behind another login
		ReadOnly:  true,
		ShowData:  []string{"role"},
	})
	if err != nil {
		log.Fatal(err)
	}

	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/api/revoke-all", nil)
	r.Header.Set("Sessile-Admin", "1")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output: 403
}

// A Feed shows events on the dashboard. The application's own observer calls it.
func ExampleFeed() {
	feed := new(admin.Feed)
	logins := make(chan string, 1)
	store, _, done := open(sessile.Config{Events: func(e sessile.Event) {
		feed.Observe(e)
		if e.Kind == sessile.EventCreated {
			logins <- e.UserID
		}
	}})
	defer done()
	if _, err := admin.Handler(store, admin.Options{Authorize: adminsOf(store), Feed: feed}); err != nil {
		log.Fatal(err)
	}

	if _, _, err := store.Create(context.Background(), sessile.Meta{}, "ann", nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-logins, "has logged in")
	// Output: ann has logged in
}

// The socket serves the command sessile and scripts of the same user, until its context ends.
func ExampleListenUnix() {
	store, dir, done := open(sessile.Config{})
	defer done()
	path := admin.SocketPath(store.Config().Path)
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- admin.ListenUnix(ctx, path, store, admin.Options{}) }()

	// curl --unix-socket sessions.db.sock http://socket/api/health
	fmt.Println(filepath.Rel(dir, path))
	stop()
	fmt.Println(<-stopped)
	// Output:
	// sessions.db.sock <nil>
	// <nil>
}
