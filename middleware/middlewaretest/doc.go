// Package middlewaretest helps to test the handlers of an application. It has stores in temporary
// files, logged-in requests in one line, a client with a cookie jar, and assertions.
//
//	sessions := middlewaretest.New(t, middleware.Options{})
//	w := httptest.NewRecorder()
//	app(sessions).ServeHTTP(w, middlewaretest.Request(t, sessions, "GET", "/account", "alice"))
//
// There are no mocks: the store is SQLite, the client speaks HTTPS to a server on a socket, and a
// login is a session in the store. In a testing/synctest bubble the store uses the bubble's time,
// so tests of timeouts need not wait. The client needs a socket and does not work in a bubble.
package middlewaretest
