package bench

import (
	"context"
	"net/http"
)

// client is one contestant: a session library behind what the work needs of it.
type client interface {
	// Wrap puts the library's middleware around an application.
	Wrap(app http.Handler) http.Handler
	// Login makes the request's session one of user. It is called inside Wrap.
	Login(ctx context.Context, user string) error
	// User returns the user of the request's session, "" without one.
	User(ctx context.Context) string
	// Set sets a key of the session.
	Set(ctx context.Context, key, value string) error
	// Get returns it.
	Get(ctx context.Context, key string) string
	// Logout ends the session.
	Logout(ctx context.Context) error
	// CookieName is the cookie that the library sets.
	CookieName() string
}

// options are what a work asks of a contestant.
type options struct {
	touch    bool // every request renews the session
	sessions int  // that there will be
	hot      int  // sessions that memory may hold, 0 = all
}
