// Ownbackend is a small application with its own backend. It does not link SQLite.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist/persisttest"
)

func main() { log.Fatal(run()) }

func run() error {
	store, err := open()
	if err != nil {
		return err
	}
	defer store.Close()
	handler, err := app(store)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: "localhost:8080", Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

func open() (*sessile.Store, error) {
	return sessile.New(persisttest.NewMemory(), sessile.Config{})
}

func app(store *sessile.Store) (http.Handler, error) {
	sessions, err := middleware.New(store, middleware.Options{})
	if err != nil {
		return nil, err
	}
	return sessions.Handler(http.HandlerFunc(hello)), nil
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }
