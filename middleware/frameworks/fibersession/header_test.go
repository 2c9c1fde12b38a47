package fibersession_test

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v3"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/fibersession"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// one is a Fiber application with one handler behind the sessions, and its client.
func one(t *testing.T, m *middleware.Sessions, cfg fiber.Config, do fiber.Handler) *middlewaretest.Client {
	t.Helper()
	app := fiber.New(cfg)
	app.Use(fibersession.Middleware(m))
	app.All("/", do)
	return middlewaretest.NewClient(t, m, serve(t, app))
}

func TestOtherCookiesAndHeadersStayBesideOurs(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{})
	resp := one(t, m, fiber.Config{}, func(c fiber.Ctx) error {
		c.Vary("Origin")
		c.Set("Etag", `"1"`)
		c.Cookie(&fiber.Cookie{Name: "theme", Value: "dark"})
		c.Cookie(&fiber.Cookie{Name: "size", Value: "big"})
		return native(c).Authenticate(c.Context(), "alice")
	}).Get("/")
	middlewaretest.RequireLoggedIn(t, m, resp.Response, "alice")
	var names []string
	for _, c := range resp.Cookies() {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"theme", "size", m.CookieName()}) || resp.Header.Get("Etag") != `"1"` {
		t.Errorf("%q", resp.Header)
	}
	if got := resp.Header.Values("Vary"); strings.Join(got, ", ") != "Origin, Cookie" {
		t.Errorf("Vary is %q", got)
	}
}

// Fiber's buffers are the next request's. What a session keeps must be its own.
func TestFiberBuffersAreNotKeptInASession(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{})
	c := one(t, m, fiber.Config{}, func(c fiber.Ctx) error {
		if native(c).IsAuthenticated() {
			return nil
		}
		return native(c).Authenticate(c.Context(), "alice")
	})
	const mine = "a browser of mine"
	c.Header.Set("User-Agent", mine)
	c.Get("/")
	c.Header.Set("User-Agent", strings.Repeat("X", len(mine)))
	for range 20 {
		c.Get("/")
	}
	s, ok := c.Session()
	if !ok || s.UserAgent() != mine {
		t.Errorf("the session is of %q", s.UserAgent())
	}
}

func TestFiberSessionHasTheAddressOfTheClient(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{TrustedProxies: []string{"127.0.0.1"}})
	c := one(t, m, fiber.Config{}, func(c fiber.Ctx) error { return native(c).Authenticate(c.Context(), "alice") })
	c.Header.Set("X-Forwarded-For", "192.0.2.7")
	c.Get("/")
	if s, ok := c.Session(); !ok || s.IPAddress() != "192.0.2.7" {
		t.Errorf("the session is of %q", s.IPAddress())
	}
}

func TestFibersErrorHandlerKeepsTheCookie(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{})
	cfg := fiber.Config{ErrorHandler: func(c fiber.Ctx, err error) error {
		user, _ := native(c).UserID()
		return c.Status(http.StatusTeapot).JSON(user + ": " + err.Error())
	}}
	resp := one(t, m, cfg, func(c fiber.Ctx) error {
		if err := native(c).Authenticate(c.Context(), "alice"); err != nil {
			return err
		}
		return fiber.ErrLocked
	}).Get("/")
	middlewaretest.RequireLoggedIn(t, m, resp.Response, "alice")
	if resp.StatusCode != http.StatusTeapot || resp.Text != `"alice: Locked"` {
		t.Errorf("%d %s", resp.StatusCode, resp.Text)
	}
}

func TestFiberErrorPageReplacesAStream(t *testing.T) {
	store := middlewaretest.NewStore(t, sessile.Config{MaxDataBytes: 100})
	m := middlewaretest.Over(t, store, middleware.Options{})
	ended := make(chan error, 1)
	c := one(t, m, fiber.Config{}, func(c fiber.Ctx) error {
		h, half := native(c), strings.Repeat("x", 70)
		if err := h.Set("mine", half); err != nil {
			return err
		}
		s, _ := h.Current()
		if _, err := store.Update(context.Background(), s.ID(), new(sessile.Changes).Set("theirs", half)); err != nil {
			return err
		}
		return c.SendStreamWriter(func(w *bufio.Writer) {
			var err error
			for err == nil {
				_, err = w.WriteString("event\n")
			}
			ended <- err
		})
	})
	c.Login("alice")
	resp := c.Get("/")
	if resp.StatusCode != http.StatusInternalServerError || strings.TrimSpace(resp.Text) != "The session's data could not be stored." {
		t.Errorf("%d %q", resp.StatusCode, resp.Text)
	}
	if <-ended == nil {
		t.Error("the stream goes on")
	}
}

func TestFiberAcceptsAGuardOfNetHTTP(t *testing.T) {
	csrf := http.NewCrossOriginProtection()
	app := fiber.New()
	app.Use(fibersession.Guard(csrf.Handler))
	app.Post("/", func(c fiber.Ctx) error { return c.SendString("done: " + string(c.Body())) })
	m := middlewaretest.New(t, middleware.Options{})
	c := middlewaretest.NewClient(t, m, serve(t, app))
	if resp := c.Post("/", map[string][]string{"a": {"b"}}); resp.StatusCode != http.StatusOK || resp.Text != "done: a=b" {
		t.Errorf("%d %s", resp.StatusCode, resp.Text)
	}
	c.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp := c.Post("/", nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("%d %s", resp.StatusCode, resp.Text)
	}
}

// Who is logged in must not follow what the next request says.
func TestFiberBufferReuseDoesNotChangeTheUser(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{})
	c := one(t, m, fiber.Config{}, func(c fiber.Ctx) error {
		user := c.FormValue("user") // not cloned
		if native(c).IsAuthenticated() {
			return nil
		}
		return native(c).Authenticate(c.Context(), user)
	})
	c.Post("/", map[string][]string{"user": {"alice"}})
	for range 20 {
		c.Post("/", map[string][]string{"user": {"admin"}})
	}
	if s, ok := c.Session(); !ok || s.UserID() != "alice" {
		t.Errorf("the session is of %q", s.UserID())
	}
}
