package fibersession_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/gofiber/fiber/v3"
	recoverer "github.com/gofiber/fiber/v3/middleware/recover"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/fibersession"
	"github.com/sessile/sessile/middleware/frameworks/internal/suite"
)

// fiberContext writes through Fiber's context.
type fiberContext struct {
	f       fiber.Ctx
	session *middleware.Handle
}

func (c fiberContext) Session() *middleware.Handle      { return c.session }
func (c fiberContext) Ctx() context.Context             { return c.f.Context() }
func (c fiberContext) Status(status int) error          { return c.f.SendStatus(status) }
func (c fiberContext) Fail(status int, err error) error { return fiber.NewError(status, err.Error()) }
func (c fiberContext) Text(status int, text string) error {
	return c.f.Status(status).SendString(text)
}
func (c fiberContext) JSON(status int, v any) error { return c.f.Status(status).JSON(v) }

func (c fiberContext) Redirect(status int, to string) error {
	return c.f.Redirect().Status(status).To(to)
}

func (c fiberContext) Stream(produce suite.Producer) error {
	c.f.Set("Content-Type", "text/event-stream")
	return c.f.SendStreamWriter(func(w *bufio.Writer) {
		_ = produce(func(line string) error {
			_, err := fmt.Fprintln(w, line)
			return errors.Join(err, w.Flush())
		})
	})
}

// native is how a handler gets its session.
func native(c fiber.Ctx) *middleware.Handle { return middleware.From(c.Context()) }

func guard(g suite.Guard, find func(fiber.Ctx) *middleware.Handle) fiber.Handler {
	switch g {
	case suite.UsersOnly:
		return fibersession.Guard(middleware.RequireUser(""))
	case suite.OwnGuard:
		return func(c fiber.Ctx) error {
			if suite.Refuse(find(c)) {
				return fiber.ErrUnauthorized
			}
			return c.Next()
		}
	default:
		return func(c fiber.Ctx) error { return c.Next() }
	}
}

func application(app *suite.App, find func(fiber.Ctx) *middleware.Handle, mw ...any) *fiber.App {
	f := fiber.New()
	f.Use(append([]any{recoverer.New()}, mw...)...)
	for _, r := range app.Routes() {
		f.Add([]string{r.Method}, r.Path, guard(r.Guard, find), func(c fiber.Ctx) error {
			return r.Do(fiberContext{c, find(c)})
		})
	}
	return f
}

// serve runs Fiber on its own server, and leads there: the clients of the tests speak HTTPS.
func serve(tb suite.TB, app *fiber.App) http.Handler {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
	tb.Cleanup(func() {
		if err := errors.Join(app.Shutdown(), <-ended); err != nil {
			tb.Error(err)
		}
	})
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: l.Addr().String()})
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	return proxy
}

func TestEverythingHoldsUnderFiber(t *testing.T) {
	suite.Run(t, func(tb suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
		return serve(tb, application(app, native, fibersession.Middleware(m)))
	})
}
