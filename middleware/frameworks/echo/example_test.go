package echo_test

import (
	"net/http"

	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"

	"github.com/sessile/sessile/middleware"
)

func Example() {
	var sessions *middleware.Sessions // from middleware.New

	e := echo.New()
	e.Use(echomiddleware.Recover(), echo.WrapMiddleware(sessions.Handler))
	e.POST("/login", func(c *echo.Context) error {
		user := c.FormValue("user") // after checking the password
		r := c.Request()
		if err := middleware.FromRequest(r).Authenticate(r.Context(), user); err != nil {
			return echo.ErrServiceUnavailable
		}
		return c.NoContent(http.StatusNoContent)
	})
	e.GET("/account", func(c *echo.Context) error {
		user, _ := middleware.FromRequest(c.Request()).UserID()
		return c.JSON(http.StatusOK, user)
	}, echo.WrapMiddleware(middleware.RequireUser("/login")))
}
