package gorilla_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gorilla"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// The program of gorilla's README, with a user. Only the store is another one.
func ExampleStore() {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	sessionStore, err := sessile.Open(context.Background(), sessile.Config{Path: filepath.Join(dir, "sessions.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer sessionStore.Close()
	store := gorilla.NewStore(sessionStore, "userID")

	handler := func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "session-name")
		if err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
			return
		}
		session.Values["foo"] = "bar"
		session.Values["userID"] = 42
		if err := session.Save(r, w); err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
		}
	}
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil))
	sessions, err := sessionStore.ListForUser(context.Background(), "42")
	if err != nil {
		log.Fatal(err)
	}
	foo, _, err := sessile.Get[string](sessions[0], "foo")
	fmt.Println(w.Code, len(sessions), foo, err)
	// Output: 200 1 bar <nil>
}
