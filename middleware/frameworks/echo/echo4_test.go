package echo_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/internal/suite"
)

// context4 writes through Echo's context.
type context4 struct{ echo.Context }

func (c context4) Session() *middleware.Handle         { return middleware.FromRequest(c.Request()) }
func (c context4) Ctx() context.Context                { return c.Request().Context() }
func (c context4) Text(status int, text string) error  { return c.String(status, text) }
func (c context4) Status(status int) error             { return c.NoContent(status) }
func (c context4) Fail(status int, err error) error    { return echo.NewHTTPError(status, err.Error()) }
func (c context4) Stream(produce suite.Producer) error { return suite.Stream(c.Response(), produce) }

func guard4(g suite.Guard) echo.MiddlewareFunc {
	switch g {
	case suite.UsersOnly:
		return echo.WrapMiddleware(middleware.RequireUser(""))
	case suite.OwnGuard:
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
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

func mount4(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.Use(echomiddleware.Recover(), echo.WrapMiddleware(m.Handler))
	for _, r := range app.Routes() {
		e.Add(r.Method, r.Path, func(c echo.Context) error { return r.Do(context4{c}) }, guard4(r.Guard))
	}
	return e
}

func TestEverythingHoldsUnderEcho4(t *testing.T) { suite.Run(t, mount4) }
