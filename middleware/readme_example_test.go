package middleware_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// A web application: log in, count, log out on all other devices.
func Example_readme() {
	store, err := sessile.Open(context.Background(), sessile.Config{Path: "sessions.db"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	sessions, err := middleware.New(store, middleware.Options{})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		user := r.PostFormValue("user") // after checking the password
		if err := middleware.FromRequest(r).Authenticate(r.Context(), user); err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		n, _, _ := middleware.Get[int](h, "count")
		if err := h.Set("count", n+1); err != nil {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, n+1)
	})
	mux.HandleFunc("POST /logout-others", func(w http.ResponseWriter, r *http.Request) {
		n, err := middleware.FromRequest(r).LogoutOthers(r.Context())
		fmt.Fprintln(w, n, err)
	})

	csrf := http.NewCrossOriginProtection()
	log.Fatal(http.ListenAndServe("localhost:8080", csrf.Handler(sessions.Handler(mux))))
}
