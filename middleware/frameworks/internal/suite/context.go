package suite

import (
	"context"
	"net/http"

	"github.com/sessile/sessile/middleware"
)

// Context is a framework's own, as the handlers of the little application need
// it. Each answer is given with the framework's own means.
type Context interface {
	Session() *middleware.Handle
	Ctx() context.Context
	Text(status int, text string) error
	JSON(status int, v any) error
	Redirect(status int, to string) error
	Status(status int) error          // an answer without a body
	Fail(status int, err error) error // leaves the answer to the framework, where it has that
	Stream(produce Producer) error    // what is sent arrives at once
}

// Producer sends lines until it has no more.
type Producer func(send func(line string) error) error

// Mount is the little application under one framework: app's routes, m in front
// of them, and around m what the framework has against panics. Its server, if it
// needs one of its own, ends with the test.
type Mount func(tb TB, app *App, m *middleware.Sessions) http.Handler

// Route is a handler and its place.
type Route struct {
	Method, Path string
	Guard        Guard
	Do           func(Context) error
}

// Guard is what stands before a handler.
type Guard int

// Guards: none; a middleware in the framework's own style, which calls [Refuse]
// and if that is true aborts with 401; and [middleware.RequireUser].
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
