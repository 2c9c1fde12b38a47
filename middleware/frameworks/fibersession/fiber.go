package fibersession

import (
	"net/http"

	"github.com/gofiber/fiber/v3"

	"github.com/sessile/sessile/middleware"
)

// Middleware gives the handlers after it the session of each request. They get it with
// [middleware.From] of c.Context(). Put it after Fiber's recover, so that a handler that panics
// commits nothing.
func Middleware(m *middleware.Sessions) fiber.Handler { return Guard(m.Handler) }

// Guard makes a Fiber handler from net/http middleware that decides by the head of a request, such
// as [middleware.RequireUser] and [http.CrossOriginProtection]. The middleware may answer by
// itself, let the request through, and add headers. It sees neither the body of the request nor
// that of the response, and cannot stream.
func Guard(mw func(http.Handler) http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		r, err := request(c)
		if err != nil {
			return fiber.NewError(fiber.StatusBadRequest, "the address cannot be read")
		}
		x := &exchange{c: c, answer: answer{header: make(http.Header)}}
		mw(x).ServeHTTP(&x.answer, r)
		x.putHeader()
		if x.passed {
			return x.err
		}
		c.Response().SetBody(x.answer.body)
		c.Status(x.answer.code())
		return nil
	}
}

// exchange is one request that passes through a middleware. It is the handler that the middleware
// calls.
type exchange struct {
	c      fiber.Ctx
	answer answer
	before http.Header // the header from Fiber's handlers
	passed bool        // the response comes from Fiber's handlers
	err    error       // from Fiber's handlers
}

// ServeHTTP runs Fiber's handlers. Their response is complete when they return, but not sent. An
// empty write tells the middleware that the response begins now, and shows whether the middleware
// allows it.
func (x *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.c.SetContext(r.Context())
	x.err = x.c.Next()
	x.takeHeader()
	_, err := w.Write(nil)
	x.passed = err == nil
}
