// Package echo_test proves that the middleware works under Echo with Echo's own
// WrapMiddleware, in version 5 and in version 4.
package echo_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/internal/suite"
)

// context5 writes through Echo's context.
type context5 struct{ *echo.Context }

func (c context5) Session() *middleware.Handle         { return middleware.FromRequest(c.Request()) }
func (c context5) Ctx() context.Context                { return c.Request().Context() }
func (c context5) Text(status int, text string) error  { return c.String(status, text) }
func (c context5) Status(status int) error             { return c.NoContent(status) }
func (c context5) Fail(status int, err error) error    { return echo.NewHTTPError(status, err.Error()) }
func (c context5) Stream(produce suite.Producer) error { return suite.Stream(c.Response(), produce) }

func guard5(g suite.Guard) echo.MiddlewareFunc {
	switch g {
	case suite.UsersOnly:
		return echo.WrapMiddleware(middleware.RequireUser(""))
	case suite.OwnGuard:
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c *echo.Context) error {
				if suite.Refuse(middleware.FromRequest(c.Request())) {
					return echo.ErrUnauthorized
				}
				return next(c)
			}
		}
	default:
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	}
}

func mount5(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
	e := echo.New()
	e.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	e.Use(echomiddleware.Recover(), echo.WrapMiddleware(m.Handler))
	for _, r := range app.Routes() {
		e.Add(r.Method, r.Path, func(c *echo.Context) error { return r.Do(context5{c}) }, guard5(r.Guard))
	}
	return e
}

func TestEverythingHoldsUnderEcho5(t *testing.T) { suite.Run(t, mount5) }
