// Package fibersession brings the session middleware and net/http guards to Fiber, which runs on
// fasthttp and not on net/http.
//
//	app := fiber.New()
//	app.Use(recoverer.New(), fibersession.Middleware(sessions))
//	// in a handler:
//	h := middleware.From(c.Context())
//
// Fiber keeps a response until its handlers have returned. The session is committed then, and not
// before the first byte is written. The writer of a stream runs later. It uses
// [middleware.Handle.Update].
//
// Strings from Fiber are valid until the handler returns, unless fiber.Config.Immutable is set. The
// store copies user IDs. Clone such strings before you use them as keys.
package fibersession
