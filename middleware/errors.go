package middleware

import (
	"errors"
	"fmt"

	"github.com/sessile/sessile"
)

// Errors of a Handle. Its methods also return those of the store.
var (
	// ErrNoSession means that the request has no session to act on.
	ErrNoSession = errors.New("no session")
	// ErrHeadersSent means that the response has begun, so that a change of the session or its cookie
	// would come too late. Nothing was done.
	ErrHeadersSent = errors.New("response has begun: too late to change the session")
	// ErrNoMiddleware means that the request did not come through the middleware.
	ErrNoMiddleware = errors.New("request did not come through the session middleware")
)

// errAPILogin means that a browser cannot log in with an API token.
var errAPILogin = errors.New("login: Login.APIToken is for Handle.Issue")

// errWithheld means that a cross-site request cannot begin a guest session.
var errWithheld = fmt.Errorf("%w: a cross-site request cannot begin a guest session, because SameSite withholds the cookie", ErrNoSession)

// errEnded means that another request has ended the session.
var errEnded = fmt.Errorf("%w: it was ended by another request: %w", ErrNoSession, sessile.ErrNotFound)
