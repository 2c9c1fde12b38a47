package ginsession

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sessile/sessile/middleware"
)

// Middleware gives the handlers after it the session of each request: get it with
// [middleware.FromRequest] of c.Request. Put it after gin.Recovery, so that a
// handler which panics commits nothing.
func Middleware(m *middleware.Sessions) gin.HandlerFunc { return Wrap(m.Handler) }

// Wrap makes a Gin handler of net/http middleware, for example of
// [middleware.RequireUser]. If the middleware answers itself, no handler after it
// runs. What it wraps around the writer sees the response as net/http would tell
// it: the status when it is sent, then the body.
//
// The request that the middleware has made of c.Request stays in c, so that an
// access log sees it; its writer does not, so that what answers after it, or after a
// panic, writes past it.
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
