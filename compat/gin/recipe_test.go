package gin_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/cookie"
	ginlib "github.com/gin-gonic/gin"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gin"
	"github.com/sessile/sessile/internal/move"
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

// movedCookies remembers the old cookies that have moved. A program keeps them in its database, as long as
// the cookies are valid: they contain the whole session, so nothing else can end it.
type movedCookies struct {
	mu      sync.Mutex
	cookies map[string]bool
}

func (m *movedCookies) has(cookie string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cookies[cookie]
}

func (m *movedCookies) add(cookie string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cookies[cookie] {
		return middleware.ErrNoSession
	}
	m.cookies[cookie] = true
	return nil
}

// adopt returns Adopt for the sessions of a cookie store. This is the recipe of docs/coming-from.md.
func adopt(from sessions.Store, moved *movedCookies, to gin.Store) func(*http.Request) (middleware.Login, bool) {
	return func(r *http.Request) (middleware.Login, bool) {
		c, err := r.Cookie("app")
		if err != nil || moved.has(c.Value) {
			return middleware.Login{}, false
		}
		s, err := from.New(r, "app")
		if err != nil || s.IsNew {
			return middleware.Login{}, false
		}
		l, err := to.Login(s.Values)
		l.Confirm = func(context.Context) error { return moved.add(c.Value) }
		return l, err == nil
	}
}

func TestRecipeMovesUsersFromGinContribsCookieStore(t *testing.T) {
	ginlib.SetMode(ginlib.TestMode)
	from := cookie.NewStore([]byte("0123456789abcdef0123456789abcdef"))
	s := move.NewSite(t, program(from))
	b := s.LoggedIn()

	store := middlewaretest.NewStore(t, sessile.Config{})
	to := gin.NewStore(store, "userID")
	to.Adopt, to.AdoptCookie = adopt(from, &movedCookies{cookies: make(map[string]bool)}, to), http.Cookie{Name: "app"}
	s.Deploy(program(to))
	s.LogsOut(b, store, s.Stays(b, store, "/seen"))
}
