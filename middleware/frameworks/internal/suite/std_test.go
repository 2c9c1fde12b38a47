package suite_test

import (
	"net/http"
	"testing"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/internal/suite"
)

func mount(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
	mux := http.NewServeMux()
	for _, r := range app.Routes() {
		mux.Handle(r.Method+" "+r.Path, r.Guard.Middleware(r.Handler()))
	}
	return suite.Recover(m.Handler(mux))
}

func TestEverythingHoldsUnderBareNetHTTP(t *testing.T) { suite.Run(t, mount) }

// The control of the table itself: without the middleware hardly anything holds.
func TestTheTableMissesTheMiddleware(t *testing.T) {
	lost := suite.Lost(t, func(tb suite.TB, app *suite.App, _ *middleware.Sessions) http.Handler {
		mux := http.NewServeMux()
		for _, r := range app.Routes() {
			mux.Handle(r.Method+" "+r.Path, r.Guard.Middleware(r.Handler()))
		}
		return suite.Recover(mux)
	})
	if len(lost) < 20 {
		t.Errorf("only this is missed: %q", lost)
	}
}
