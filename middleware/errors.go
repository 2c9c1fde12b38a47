package middleware

import (
	"errors"
	"fmt"

	"github.com/sessile/sessile"
)

// Errors of a Handle, beside those of the store.
var (
	// ErrNoSession: the request has no session to do this with.
	ErrNoSession = errors.New("no session")
	// ErrHeadersSent: the response has begun, so its cookies and the session's
	// changes can no longer be committed with it. Nothing was done.
	ErrHeadersSent = errors.New("response has begun: too late to change the session")
	// ErrNoMiddleware: the request did not come through the middleware.
	ErrNoMiddleware = errors.New("request did not come through the session middleware")
)

// errWithheld is what a guest's session cannot begin with.
var errWithheld = fmt.Errorf("%w: another site makes the request, and the browser keeps its cookie back from it", ErrNoSession)

// errEnded is what a Handle says once it has noticed that another request has ended its session.
var errEnded = fmt.Errorf("%w: it has ended in another request: %w", ErrNoSession, sessile.ErrNotFound)
