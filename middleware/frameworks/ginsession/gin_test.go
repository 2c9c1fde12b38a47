package ginsession_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/ginsession"
	"github.com/sessile/sessile/middleware/frameworks/internal/suite"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

// ginContext writes through Gin's context.
type ginContext struct{ *gin.Context }

func (c ginContext) Session() *middleware.Handle         { return middleware.FromRequest(c.Request) }
func (c ginContext) Ctx() context.Context                { return c.Request.Context() }
func (c ginContext) Stream(produce suite.Producer) error { return suite.Stream(c.Writer, produce) }

func (c ginContext) Text(status int, text string) error {
	c.String(status, text)
	return nil
}

func (c ginContext) JSON(status int, v any) error {
	c.Context.JSON(status, v)
	return nil
}

func (c ginContext) Redirect(status int, to string) error {
	c.Context.Redirect(status, to)
	return nil
}

func (c ginContext) Status(status int) error {
	c.Context.Status(status)
	return nil
}

func (c ginContext) Fail(status int, err error) error {
	_ = c.AbortWithError(status, err)
	return nil
}

func handle(r suite.Route) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := r.Do(ginContext{c}); err != nil {
			_ = c.AbortWithError(http.StatusInternalServerError, err)
		}
	}
}

func guard(g suite.Guard) gin.HandlerFunc {
	switch g {
	case suite.UsersOnly:
		return ginsession.Wrap(middleware.RequireUser(""))
	case suite.OwnGuard:
		return func(c *gin.Context) {
			if suite.Refuse(middleware.FromRequest(c.Request)) {
				c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "refused"})
			}
		}
	default:
		return func(*gin.Context) {}
	}
}

func engine(app *suite.App, mw ...gin.HandlerFunc) *gin.Engine {
	e := gin.New()
	e.Use(mw...)
	for _, r := range app.Routes() {
		e.Handle(r.Method, r.Path, guard(r.Guard), handle(r))
	}
	return e
}

func inRouter(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
	return engine(app, gin.RecoveryWithWriter(io.Discard), ginsession.Middleware(m))
}

// around has its recovery around the sessions too: Gin's would be inside.
func around(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
	return suite.Recover(m.Handler(engine(app)))
}

func TestEverythingHoldsInAGinRouter(t *testing.T)     { suite.Run(t, inRouter) }
func TestEverythingHoldsAroundAGinEngine(t *testing.T) { suite.Run(t, around) }

// The table notices what happens to a middleware that leaves Gin's writer where it is.
func TestGinNoticesThatTheNaiveAdapterLosesTheCookie(t *testing.T) {
	naive := func(m *middleware.Sessions) gin.HandlerFunc {
		return func(c *gin.Context) {
			m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c.Request = r
				c.Next()
			})).ServeHTTP(c.Writer, c.Request)
		}
	}
	lost := suite.Lost(t, func(_ suite.TB, app *suite.App, m *middleware.Sessions) http.Handler {
		return engine(app, gin.RecoveryWithWriter(io.Discard), naive(m))
	})
	for _, want := range []string{
		"what a guest sets is there in the next request",
		"what a guest set comes along into the login",
		"a first event arrives while the handler runs, after the cookie",
		"a rotation refuses the old cookie",
		"a logout removes the cookie",
		"a login that answers with text sets the cookie",
		"a login that answers with json sets the cookie",
		"a failed commit is an error page instead of json",
		"no handler runs when the session cannot be read",
	} {
		if !slices.Contains(lost, want) {
			t.Errorf("the table does not notice it: %s", want)
		}
	}
}
