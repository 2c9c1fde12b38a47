package bench

import (
	"context"
	"net/http"
	"strings"
	"testing"

	ginsessions "github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/memstore"
	"github.com/gin-gonic/gin"
)

// ginClient is gin-contrib/sessions, in memory, inside a Gin engine.
type ginClient struct{}

type ginKey struct{}

func newGin(testing.TB, options) client { return ginClient{} }

func (ginClient) CookieName() string { return "session" }

func (ginClient) Wrap(app http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(ginsessions.Sessions("session", memstore.NewStore([]byte(strings.Repeat("k", 32)))))
	engine.NoRoute(func(c *gin.Context) {
		ctx := context.WithValue(c.Request.Context(), ginKey{}, ginsessions.Default(c))
		c.Status(http.StatusOK)
		app.ServeHTTP(c.Writer, c.Request.WithContext(ctx))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		engine.ServeHTTP(w, r.WithContext(r.Context())) // a copy, because gin stores the session in the request, and requests are reused here
	})
}

func ginOf(ctx context.Context) ginsessions.Session {
	s, _ := ctx.Value(ginKey{}).(ginsessions.Session)
	return s
}

func (c ginClient) Login(ctx context.Context, user string) error { return c.Set(ctx, "user", user) }
func (c ginClient) User(ctx context.Context) string              { return c.Get(ctx, "user") }

func (ginClient) Set(ctx context.Context, key, value string) error {
	s := ginOf(ctx)
	s.Set(key, value)
	return s.Save()
}

func (ginClient) Get(ctx context.Context, key string) string {
	v, _ := ginOf(ctx).Get(key).(string)
	return v
}

func (ginClient) Logout(ctx context.Context) error {
	s := ginOf(ctx)
	s.Clear()
	s.Options(ginsessions.Options{MaxAge: -1})
	return s.Save()
}
