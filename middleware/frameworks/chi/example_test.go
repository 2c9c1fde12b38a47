package chi_test

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/sessile/sessile/middleware"
)

func Example() {
	var sessions *middleware.Sessions // from middleware.New

	r := chi.NewRouter()
	r.Use(chimiddleware.Recoverer, sessions.Handler)
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		user := r.PostFormValue("user") // after checking the password
		if err := middleware.FromRequest(r).Authenticate(r.Context(), user); err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
		}
	})
	r.With(middleware.RequireUser("/login")).Get("/account", func(w http.ResponseWriter, r *http.Request) {
		user, _ := middleware.FromRequest(r).UserID()
		fmt.Fprintln(w, "hello", user)
	})
}
