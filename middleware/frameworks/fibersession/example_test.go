package fibersession_test

import (
	"github.com/gofiber/fiber/v3"
	recoverer "github.com/gofiber/fiber/v3/middleware/recover"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/fibersession"
)

func Example() {
	var sessions *middleware.Sessions // from middleware.New

	app := fiber.New()
	app.Use(recoverer.New(), fibersession.Middleware(sessions))
	app.Post("/login", func(c fiber.Ctx) error {
		user := c.FormValue("user") // after checking the password
		if err := middleware.From(c.Context()).Authenticate(c.Context(), user); err != nil {
			return fiber.ErrServiceUnavailable
		}
		return c.SendStatus(fiber.StatusNoContent)
	})
	app.Get("/account", fibersession.Guard(middleware.RequireUser("/login")), func(c fiber.Ctx) error {
		user, _ := middleware.From(c.Context()).UserID()
		return c.JSON(user)
	})
}
