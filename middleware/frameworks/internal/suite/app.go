package suite

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// maxData is the limit of a session's data in the application.
const maxData = 200

// user is the user who logs in.
const user = "alice"

var errTeapot = errors.New("this is a teapot")

// App is the application.
type App struct {
	store   *sessile.Store
	more    chan struct{} // closed when a stream may continue
	reached atomic.Bool   // whether that handler ran
}

// Routes returns the handlers of the application.
func (a *App) Routes() []Route {
	routes := []Route{
		{Method: http.MethodGet, Path: "/me", Do: me},
		{Method: http.MethodGet, Path: "/cart", Do: look},
		{Method: http.MethodPost, Path: "/cart", Do: add},
		{Method: http.MethodPost, Path: "/rotate", Do: rotate},
		{Method: http.MethodPost, Path: "/logout", Do: logout},
		{Method: http.MethodGet, Path: "/events", Do: a.events},
		{Method: http.MethodPost, Path: "/panic/set", Do: panicSet},
		{Method: http.MethodPost, Path: "/panic/login", Do: panicLogin},
		{Method: http.MethodGet, Path: "/open", Do: a.reach},
		{Method: http.MethodGet, Path: "/own-guard", Guard: OwnGuard, Do: a.reach},
		{Method: http.MethodGet, Path: "/users-only", Guard: UsersOnly, Do: a.reach},
	}
	for _, w := range ways() {
		routes = append(routes,
			Route{Method: http.MethodPost, Path: "/login/" + w.name, Do: then(login, w)},
			Route{Method: http.MethodPost, Path: "/full/" + w.name, Do: then(a.fill, w)})
	}
	return routes
}

// way is a way to answer.
type way struct {
	name   string
	status int
	answer func(Context) error
}

func ways() []way {
	return []way{
		{"text", http.StatusOK, func(c Context) error { return c.Text(http.StatusOK, "well done") }},
		{"json", http.StatusCreated, func(c Context) error { return c.JSON(http.StatusCreated, []string{"well done"}) }},
		{"redirect", http.StatusSeeOther, func(c Context) error { return c.Redirect(http.StatusSeeOther, "/me") }},
		{"status", http.StatusNoContent, func(c Context) error { return c.Status(http.StatusNoContent) }},
		{"error", http.StatusTeapot, func(c Context) error { return c.Fail(http.StatusTeapot, errTeapot) }},
	}
}

func then(do func(Context) error, w way) func(Context) error {
	return func(c Context) error {
		if err := do(c); err != nil {
			return err
		}
		return w.answer(c)
	}
}

func me(c Context) error {
	id, _ := c.Session().UserID()
	return c.Text(http.StatusOK, id)
}

func look(c Context) error {
	n, _, err := middleware.Get[int](c.Session(), "cart")
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, n)
}

func add(c Context) error {
	n, _, err := middleware.Get[int](c.Session(), "cart")
	if err == nil {
		err = c.Session().Set("cart", n+1)
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, n+1)
}

func login(c Context) error { return c.Session().Authenticate(c.Ctx(), user) }

func rotate(c Context) error {
	if err := c.Session().Rotate(c.Ctx()); err != nil {
		return err
	}
	return c.Text(http.StatusOK, "rotated")
}

func logout(c Context) error {
	if err := c.Session().Logout(c.Ctx()); err != nil {
		return err
	}
	return c.Text(http.StatusOK, "goodbye")
}

func panicSet(c Context) error {
	if err := c.Session().Set("cart", 100); err != nil {
		return err
	}
	panic(errTeapot)
}

func panicLogin(c Context) error {
	if err := login(c); err != nil {
		return err
	}
	panic(errTeapot)
}

func (a *App) reach(c Context) error {
	a.reached.Store(true)
	return c.Text(http.StatusOK, "reached")
}

// fill makes the commit fail: another request fills the session after Set has looked.
func (a *App) fill(c Context) error {
	h, half := c.Session(), strings.Repeat("x", maxData*2/3)
	if err := h.Set("mine", half); err != nil {
		return err
	}
	s, _ := h.Current()
	_, err := a.store.Update(c.Ctx(), s.ID(), new(sessile.Changes).Set("theirs", half))
	return err
}

// events sends a line, and another one when the test has seen the first. What it
// stores in between it stores at once.
func (a *App) events(c Context) error {
	h := c.Session()
	if err := h.Set("cart", 1); err != nil {
		return err
	}
	return c.Stream(func(send func(string) error) error {
		if err := send("first"); err != nil {
			return err
		}
		<-a.more
		if err := h.Update(context.Background(), new(sessile.Changes).Set("cart", 2)); err != nil {
			return err
		}
		return send("second")
	})
}
