package middleware

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// parcel holds everything that one request needs, in one allocation. It is never reused for another
// request, so no session can leak into one (A26). It must fit into 512 bytes: larger objects get a
// header from the runtime, which slows down every request.
type parcel struct {
	request http.Request // the request that the handler gets
	sent    string       // the token that the client sent
	exchange
}

// exchange is the request's context. It holds secrets only behind pointers, which fmt prints as
// addresses, because not everything that prints a context calls its Format method (S49).
type exchange struct {
	context.Context //nolint:containedctx // it is the context of the request, extended
	handle          Handle
	writer          responseWriter
}

// String prints nothing that the exchange holds (S49).
func (*exchange) String() string { return "session middleware's context" }

// Format prints String for every verb.
func (x *exchange) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, x.String()) }

// handleKey finds the innermost Handle in a context. A *Sessions as the key finds its own.
type handleKey struct{}

// Value returns the Handle for a handleKey or for its *Sessions.
func (x *exchange) Value(key any) any {
	switch k := key.(type) {
	case handleKey:
		return &x.handle
	case *Sessions:
		if k == x.handle.m {
			return &x.handle
		}
	}
	return x.Context.Value(key)
}

// From returns the Handle of a request's context. It is never nil. Without the middleware, its
// methods return [ErrNoMiddleware] or report that there is no session.
func From(ctx context.Context) *Handle {
	if h, ok := ctx.Value(handleKey{}).(*Handle); ok {
		return h
	}
	return new(Handle)
}

// FromRequest is [From] for the request's context.
func FromRequest(r *http.Request) *Handle { return From(r.Context()) }

// From returns the Handle of this middleware. Use it if several session middlewares are nested.
func (m *Sessions) From(ctx context.Context) *Handle {
	if h := m.of(ctx); h != nil {
		return h
	}
	return new(Handle)
}

// of returns the Handle of this middleware, or nil.
func (m *Sessions) of(ctx context.Context) *Handle {
	h, _ := ctx.Value(m).(*Handle)
	return h
}
