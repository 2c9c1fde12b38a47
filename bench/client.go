package bench

import (
	"context"
	"net/http"
)

// client is one contestant: a session library behind the operations that the workloads need.
type client interface {
	// Wrap puts the library's middleware around an application.
	Wrap(app http.Handler) http.Handler
	// Login makes user the owner of the request's session. It is called inside Wrap.
	Login(ctx context.Context, user string) error
	// User returns the user of the request's session, or "".
	User(ctx context.Context) string
	// Set sets a key of the session.
	Set(ctx context.Context, key, value string) error
	// Get returns a key of the session.
	Get(ctx context.Context, key string) string
	// Logout ends the session.
	Logout(ctx context.Context) error
	// CookieName returns the name of the library's cookie.
	CookieName() string
}

// options are what a workload requires of a contestant.
type options struct {
	touch    bool // every request renews the session
	sessions int  // number of sessions
	hot      int  // sessions that memory may hold, 0 = all
}
