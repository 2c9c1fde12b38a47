// Package fibersession brings the session middleware, and guards of net/http, to
// Fiber, which runs on fasthttp and not on net/http.
//
//	app := fiber.New()
//	app.Use(recoverer.New(), fibersession.Middleware(sessions))
//	// in a handler:
//	h := middleware.From(c.Context())
//
// Fiber keeps a response until its handlers have returned. The session is committed
// then, and not before the first byte is written; what a stream's writer does comes
// later, and uses [middleware.Handle.Update].
//
// Strings that Fiber hands out are good until the handler returns, unless
// fiber.Config.Immutable is set. The store copies the id of a user; clone the
// keys that you make of such strings.
//
// The package knows Fiber; it refuses to know what a session is.
package fibersession
