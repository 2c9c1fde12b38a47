package suite_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/internal/suite"
)

func mux(app *suite.App) http.Handler {
	mux := http.NewServeMux()
	for _, r := range app.Routes() {
		mux.Handle(r.Method+" "+r.Path, r.Guard.Middleware(r.Handler()))
	}
	return mux
}

func mount(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
	return suite.Recover(m.Handler(mux(app)))
}

func TestEverythingHoldsUnderBareNetHTTP(t *testing.T) { suite.Run(t, mount) }

// The control of the table itself: without the middleware nothing holds but what
// is true if nobody ever has a session.
func TestSuiteNoticesAMissingMiddleware(t *testing.T) {
	lost := suite.Lost(t, func(_ suite.TB, app *suite.App, _ *middleware.Sessions) http.Handler {
		return suite.Recover(mux(app))
	})
	for _, name := range suite.Names() {
		if void := name == "a panic after a login leaves no session"; slices.Contains(lost, name) == void {
			t.Errorf("%s: lost is %v", name, !void)
		}
	}
}
