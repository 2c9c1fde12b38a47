package middleware

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// parcel is everything that one request needs, in one allocation. It is never
// reused for another request (A26). It fits 512 bytes: the runtime gives a larger object a
// header of its own, which makes every request slower.
type parcel struct {
	request http.Request // as the handler gets it
	sent    string       // the token that the client sent
	exchange
}

// exchange is the request's context. What is secret it has pointers to only, which
// fmt prints as addresses: not everything that prints a context asks it how (S49).
type exchange struct {
	context.Context //nolint:containedctx // it is the context of the request, extended
	handle          Handle
	writer          responseWriter
}

// Format tells of nothing that the exchange holds (S49).
func (*exchange) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "session middleware's context")
}

// handleKey finds the innermost Handle in a context; a *Sessions finds its own.
type handleKey struct{}

// Value finds the Handle.
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

// From returns the Handle of a request's context. It is never nil: without the
// middleware, its methods return [ErrNoMiddleware] or tell of no session.
func From(ctx context.Context) *Handle {
	if h, ok := ctx.Value(handleKey{}).(*Handle); ok {
		return h
	}
	return new(Handle)
}

// FromRequest is [From] of the request's context.
func FromRequest(r *http.Request) *Handle { return From(r.Context()) }

// From returns this middleware's Handle, where several are nested.
func (m *Sessions) From(ctx context.Context) *Handle {
	if h := m.of(ctx); h != nil {
		return h
	}
	return new(Handle)
}

// of is this middleware's Handle, or nil.
func (m *Sessions) of(ctx context.Context) *Handle {
	h, _ := ctx.Value(m).(*Handle)
	return h
}
