// A hello world with sessions in SQLite, for TestProgramsStaySmall.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	_ "github.com/sessile/sessile/persist/sqlite"
)

func main() {
	store, err := sessile.Open(context.Background(), sessile.Config{})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := middleware.New(store, middleware.Options{})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, middleware.FromRequest(r).Authenticate(r.Context(), "ann"))
	})
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}
