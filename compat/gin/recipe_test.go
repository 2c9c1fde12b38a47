package gin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/cookie"
	ginlib "github.com/gin-gonic/gin"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gin"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// program is a program that was written for gin-contrib/sessions.
func program(store sessions.Store) http.Handler {
	router := ginlib.New()
	router.Use(sessions.Sessions("app", store))
	save := func(do func(s sessions.Session)) ginlib.HandlerFunc {
		return func(c *ginlib.Context) {
			s := sessions.Default(c)
			do(s)
			if err := s.Save(); err != nil {
				c.String(http.StatusInternalServerError, err.Error())
			}
		}
	}
	router.GET("/login", save(func(s sessions.Session) {
		s.Set("userID", 42)
		s.Set("theme", "dark")
	}))
	router.GET("/me", func(c *ginlib.Context) {
		s := sessions.Default(c)
		c.String(http.StatusOK, "%v %v", s.Get("userID"), s.Get("theme"))
	})
	router.GET("/seen", save(func(s sessions.Session) { s.Set("seen", true) }))
	router.GET("/logout", save(func(s sessions.Session) {
		s.Clear()
		s.Options(sessions.Options{Path: "/", MaxAge: -1})
	}))
	return router
}

// moved remembers the old cookies that have moved. A program keeps them in its database, as long as
// the cookies are valid: they contain the whole session, so nothing else can end it.
type moved struct {
	mu      sync.Mutex
	cookies map[string]bool
}

func (m *moved) has(cookie string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cookies[cookie]
}

func (m *moved) add(cookie string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cookies[cookie] {
		return middleware.ErrNoSession
	}
	m.cookies[cookie] = true
	return nil
}

// adopt returns Adopt for the sessions of a cookie store. This is the recipe of docs/coming-from.md.
func adopt(from sessions.Store, used *moved, to gin.Store) func(*http.Request) (middleware.Login, bool) {
	return func(r *http.Request) (middleware.Login, bool) {
		c, err := r.Cookie("app")
		if err != nil || used.has(c.Value) {
			return middleware.Login{}, false
		}
		s, err := from.New(r, "app")
		if err != nil || s.IsNew {
			return middleware.Login{}, false
		}
		l, err := to.Login(s.Values)
		l.Confirm = func(context.Context) error { return used.add(c.Value) }
		return l, err == nil
	}
}

func TestRecipeMovesUsersFromGinContribsCookieStore(t *testing.T) {
	ginlib.SetMode(ginlib.TestMode)
	from := cookie.NewStore([]byte("0123456789abcdef0123456789abcdef"))
	s := newSite(t, program(from))
	b := s.browser()
	s.get(b, "/login")
	s.want(s.get(b, "/me"), "42 dark")
	copied := b.Jar.Cookies(s.url)

	store := middlewaretest.NewStore(t, sessile.Config{})
	to := gin.NewStore(store, "userID")
	to.Adopt, to.AdoptCookie = adopt(from, &moved{cookies: make(map[string]bool)}, to), http.Cookie{Name: "app"}
	s.deploy(program(to))
	s.want(s.get(b, "/me"), "42 dark")
	s.get(b, "/seen")
	s.want(s.get(b, "/me"), "42 dark")
	if list, err := store.ListForUser(t.Context(), "42"); err != nil || len(list) != 1 {
		t.Errorf("%d sessions of the user, %v", len(list), err)
	}
	current := b.Jar.Cookies(s.url)
	s.get(b, "/logout")
	for _, cookies := range [][]*http.Cookie{b.Jar.Cookies(s.url), copied, current} {
		s.want(s.get(s.browser(cookies...), "/me"), "<nil> <nil>")
	}
	if list, err := store.ListForUser(t.Context(), "42"); err != nil || len(list) != 0 {
		t.Errorf("%d sessions of the user after the logout, %v", len(list), err)
	}
}

// site is a server whose program can be replaced.
type site struct {
	*testing.T
	server  *httptest.Server
	program atomic.Pointer[http.Handler]
	url     *url.URL
}

func newSite(t *testing.T, h http.Handler) *site {
	t.Helper()
	s := &site{T: t}
	s.deploy(h)
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.program.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	var err error
	if s.url, err = url.Parse(s.server.URL); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) deploy(h http.Handler) { s.program.Store(&h) }

// browser returns a browser with these cookies.
func (s *site) browser(cookies ...*http.Cookie) *http.Client {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	jar.SetCookies(s.url, cookies)
	return &http.Client{Jar: jar, Transport: s.server.Client().Transport}
}

func (s *site) get(b *http.Client, path string) string {
	s.Helper()
	resp, err := b.Get(s.server.URL + path)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.Fatal(fmt.Sprintf("%s: %d %s", path, resp.StatusCode, text), err)
	}
	return string(text)
}

func (s *site) want(got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("got %q, want %q", got, want)
	}
}
