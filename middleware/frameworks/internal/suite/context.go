package suite

import (
	"context"
	"net/http"

	"github.com/sessile/sessile/middleware"
)

// Context is what the handlers of the application need from a framework's own context. Each
// response is written by the framework's own means.
type Context interface {
	Session() *middleware.Handle
	Ctx() context.Context
	Text(status int, text string) error
	JSON(status int, v any) error
	Redirect(status int, to string) error
	Status(status int) error          // a response without a body
	Fail(status int, err error) error // leaves the response to the framework, if it can write one
	Stream(produce Producer) error    // each line arrives at once
}

// Producer sends lines until it has no more.
type Producer func(send func(line string) error) error

// Mount serves the application under one framework: app's routes, m in front of them, and the
// framework's panic recovery around m. If it needs a server of its own, the server stops when the
// test ends.
type Mount func(tb TB, app *App, m *middleware.Sessions) http.Handler

// Route is a handler with its method and path.
type Route struct {
	Method, Path string
	Guard        Guard
	Do           func(Context) error
}

// Guard is what protects a handler.
type Guard int

// The guards: none; middleware in the framework's own style, which calls [Refuse] and aborts with
// 401 if it is true; and [middleware.RequireUser].
const (
	NoGuard Guard = iota
	OwnGuard
	UsersOnly
)

// Refuse reports whether a request has no user, and counts those in its session.
func Refuse(h *middleware.Handle) bool {
	if h.IsAuthenticated() {
		return false
	}
	n, _, err := middleware.Get[int](h, "refused")
	if err == nil {
		err = h.Set("refused", n+1)
	}
	return err == nil
}
