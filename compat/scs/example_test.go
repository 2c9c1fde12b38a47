package scs_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/scs"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// open opens a store in a new directory, for an example. done closes and removes it.
func open() (store *sessile.Store, done func()) {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	store, err = sessile.Open(context.Background(), sessile.Config{Path: filepath.Join(dir, "sessions.db")})
	if err != nil {
		log.Fatal(err)
	}
	return store, func() {
		_ = store.Close()
		_ = os.RemoveAll(dir)
	}
}

// The program of scs's README. Only the import and the constructor have changed.
func Example() {
	store, done := open()
	defer done()
	sessionManager := scs.New(store, "userID")

	mux := http.NewServeMux()
	mux.HandleFunc("/put", func(_ http.ResponseWriter, r *http.Request) {
		sessionManager.Put(r.Context(), "message", "Hello from a session!")
	})
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, sessionManager.GetString(r.Context(), "message"))
	})
	app := sessionManager.LoadAndSave(mux)

	put, get := httptest.NewRecorder(), httptest.NewRecorder()
	app.ServeHTTP(put, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/put", nil))
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/get", nil)
	r.AddCookie(put.Result().Cookies()[0])
	app.ServeHTTP(get, r)
	fmt.Println(get.Body)
	// Output: Hello from a session!
}

// A login begins a new session of the user, which the store can list and end.
func ExampleSessionManager() {
	store, done := open()
	defer done()
	sessionManager := scs.New(store, "userID")

	ctx, err := sessionManager.Load(context.Background(), "") // LoadAndSave does this in a request
	if err != nil {
		log.Fatal(err)
	}
	sessionManager.Put(ctx, "userID", 42)
	if _, _, err := sessionManager.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	n, err := store.DestroyAllForUser(ctx, "42") // after a change of password, say
	fmt.Println(n, err)
	// Output: 1 <nil>
}
