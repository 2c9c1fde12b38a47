// A hello world with sessions in memory, for TestProgramsStaySmall.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist/persisttest"
)

func main() {
	store, err := sessile.New(persisttest.NewMemory(), sessile.Config{})
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
