package middleware

import "errors"

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
