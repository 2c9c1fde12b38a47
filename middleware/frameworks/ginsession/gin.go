package ginsession

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sessile/sessile/middleware"
)

// Middleware gives the handlers after it the session of each request. They get it with
// [middleware.FromRequest] of c.Request. Put it after gin.Recovery, so that a handler that panics
// commits nothing.
func Middleware(m *middleware.Sessions) gin.HandlerFunc { return Wrap(m.Handler) }

// Wrap makes a Gin handler from net/http middleware, such as [middleware.RequireUser]. If the
// middleware answers itself, no handler after it runs. A writer that the middleware wraps sees the
// response as under net/http: first the status, then the body.
//
// The middleware's request stays in c, so that an access log sees it. Its writer does not stay:
// what answers after it, or after a panic, bypasses it.
func Wrap(mw func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		outer, called := c.Writer, false
		defer func() { c.Writer = outer }()
		mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called = true
			c.Request = r
			c.Writer = &writer{ResponseWriter: outer, inner: w}
			c.Next()
		})).ServeHTTP(outer, c.Request)
		if !called {
			c.Abort()
		}
	}
}
