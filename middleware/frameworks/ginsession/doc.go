// Package ginsession puts net/http middleware, and above all that of sessions,
// into a Gin router.
//
//	r := gin.New()
//	r.Use(gin.Recovery(), ginsession.Middleware(sessions))
//
// Gin sends the header of a response through the writer in its context, and leaves
// the status in it until then. A middleware that is called with that writer and does not
// take its place sees nothing of the response: the cookie would come too late.
//
// The package knows Gin; it refuses to know what a session is.
package ginsession
