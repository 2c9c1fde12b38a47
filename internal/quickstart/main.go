// Quickstart is the program at the top of the README: login, counter and logout, with a clean shutdown
// on SIGTERM.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	store, err := sessile.Open(ctx, sessile.Config{Path: "sessions.db"})
	if err != nil {
		return err
	}
	sessions, err := middleware.New(store, middleware.Options{})
	if err != nil {
		return errors.Join(err, store.Close())
	}

	csrf := http.NewCrossOriginProtection() // refuses forged requests from other sites
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("ADDR"), "localhost:8080"),
		Handler:           csrf.Handler(sessions.Handler(routes())),
		ReadHeaderTimeout: 5 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err = <-failed: // the port is taken, for example
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = server.Shutdown(grace) // lets requests finish
	}
	return errors.Join(err, store.Close()) // writes what is still only in memory
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("POST /count", count)
	mux.HandleFunc("POST /logout", logout)
	return mux
}

func login(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("user") // check the password here
	switch err := middleware.FromRequest(r).Authenticate(r.Context(), user); {
	case errors.Is(err, sessile.ErrInvalidUserID):
		http.Error(w, "which user?", http.StatusBadRequest)
	case err != nil:
		http.Error(w, "please try again", http.StatusServiceUnavailable)
	}
}

func count(w http.ResponseWriter, r *http.Request) {
	h := middleware.FromRequest(r)
	n, _, err := middleware.Get[int](h, "count")
	if err == nil {
		err = h.Set("count", n+1)
	}
	switch {
	case errors.Is(err, middleware.ErrNoSession):
		http.Error(w, "log in first", http.StatusUnauthorized)
	case err != nil:
		http.Error(w, "please try again", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, n+1)
	}
}

func logout(w http.ResponseWriter, r *http.Request) {
	if err := middleware.FromRequest(r).Logout(r.Context()); err != nil {
		http.Error(w, "please try again", http.StatusServiceUnavailable)
	}
}
