package fibersession_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/internal/suite"
)

// anywhere looks for the session in every place that Fiber's adaptor knows.
func anywhere(c fiber.Ctx) *middleware.Handle {
	if h := middleware.From(c.Context()); h.Err() == nil {
		return h
	}
	if h := middleware.From(c); h.Err() == nil {
		return h
	}
	if r, err := adaptor.ConvertRequest(c, true); err == nil {
		if ctx, ok := adaptor.LocalContextFromHTTPRequest(r); ok {
			return middleware.From(ctx)
		}
	}
	return middleware.From(c.RequestCtx())
}

// It ends the middleware's request before the handler begins, and copies no context
// but that of context.WithValue.
func TestFibersOwnMiddlewareAdaptorLosesTheSession(t *testing.T) {
	wantLost(t, func(tb suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
		return serve(tb, application(app, anywhere, adaptor.HTTPMiddleware(m.Handler)))
	})
}

// It commits in time, but does not hand the request's context to Fiber.
func TestFibersOwnAdaptorOfAnApplicationLosesTheSession(t *testing.T) {
	wantLost(t, func(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
		return m.Handler(adaptor.FiberApp(application(app, anywhere)))
	})
}

// wantLost wants everything to be lost but what is true if nobody ever has a session.
func wantLost(t *testing.T, mount suite.Mount) {
	t.Helper()
	lost := suite.Lost(t, mount)
	for _, name := range suite.Names() {
		void := name == "a panic after a login leaves no session" || name == "no handler runs when the session cannot be read"
		if slices.Contains(lost, name) == void {
			t.Errorf("%s: lost is %v", name, !void)
		}
	}
}
