// Package middlewaretest helps an application test its own handlers: a store in a
// file of its own, a logged-in request in one line, a client with a cookie jar,
// and assertions.
//
//	sessions := middlewaretest.New(t, middleware.Options{})
//	w := httptest.NewRecorder()
//	app(sessions).ServeHTTP(w, middlewaretest.Request(t, sessions, "GET", "/account", "alice"))
//
// Everything is real: the store is SQLite, the client speaks HTTPS to a server on
// a socket, and a login is a session in the store. In a testing/synctest bubble
// the store's time is the bubble's, so that timeouts can be tested without
// waiting; the client needs a socket and does not work there.
package middlewaretest
