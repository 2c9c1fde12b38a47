// Package chi_test proves that the middleware works under chi as it is.
package chi_test

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/internal/suite"
)

func mount(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
	r := chi.NewRouter()
	r.Use(chimiddleware.Recoverer, m.Handler)
	for _, route := range app.Routes() {
		r.With(route.Guard.Middleware).Method(route.Method, route.Path, route.Handler())
	}
	return r
}

func TestEverythingHoldsUnderChi(t *testing.T) {
	suite.Run(t, mount)
}
