package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sessile/sessile/middleware"
)

// A WebSocket handler checks the origin of its handshake, and ends with the session.
func ExampleRequireSameOrigin() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	csrf := http.NewCrossOriginProtection()
	socket := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		over := h.Done(r.Context())
		// Take over the connection here. For each message, call h.Check before an action that must not
		// outlive a logout, and h.Renew or h.Update when the user does something. End when over is
		// closed.
		_ = over
		fmt.Fprint(w, "welcome")
	})
	mux := http.NewServeMux()
	mux.Handle("GET /ws", middleware.RequireSameOrigin(csrf)(socket))
	app := csrf.Handler(sessions.Handler(mux))

	for _, origin := range []string{"https://app.example", "http://evil.app.example"} {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://app.example/ws", nil)
		r.Header.Set("Origin", origin) // a browser says so in every handshake
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(origin, w.Code)
	}
	// Output:
	// https://app.example 200
	// http://evil.app.example 403
}
