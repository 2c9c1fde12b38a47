// Package ginsession runs net/http middleware, above all the session middleware, inside a Gin
// router.
//
//	r := gin.New()
//	r.Use(gin.Recovery(), ginsession.Middleware(sessions))
//
// Gin writes the header of a response through the writer in its context, and keeps the status there
// until then. Middleware that gets this writer and does not replace it sees nothing of the
// response, and its cookie comes too late. This package replaces the writer.
package ginsession
