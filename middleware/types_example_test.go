package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// loginAs handles a login whose password has been checked.
func loginAs(user string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Authenticate(r.Context(), user); err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
		}
	}
}

// Sessions wraps the routes of an application once. The store does what needs no request, such as
// ending every session of a banned user.
func ExampleSessions() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	mux := http.NewServeMux()
	mux.Handle("POST /login", loginAs("alice"))
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "logged in:", sessions.From(r.Context()).IsAuthenticated())
	})
	mux.HandleFunc("POST /ban", func(w http.ResponseWriter, r *http.Request) {
		n, err := sessions.Store().DestroyAllForUser(r.Context(), "alice")
		fmt.Fprintln(w, "ended:", n, err)
	})
	fmt.Println(sessions.CookieName())
	browse(sessions.Handler(mux), "POST /login", "GET /me", "POST /ban", "GET /me")
	// Output:
	// __Host-session
	// POST /login: 200
	// GET /me: 200 logged in: true
	// POST /ban: 200 ended: 1 <nil>
	// GET /me: 200 logged in: false
}

// A Handle reads and changes the session of its request. Current returns the session.
func ExampleHandle() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	mux := http.NewServeMux()
	mux.Handle("POST /login", loginAs("alice"))
	mux.HandleFunc("POST /theme", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		fmt.Fprintln(w, h.Set("theme", "dark"), h.Delete("draft"))
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		theme, _, _ := middleware.Get[string](h, "theme")
		s, ok := h.Current()
		fmt.Fprintln(w, ok, s.UserID(), s.DeviceName(), theme)
	})
	browse(sessions.Handler(mux), "POST /theme", "POST /login", "POST /theme", "GET /me")
	// Output:
	// POST /theme: 200 no session no session
	// POST /login: 200
	// POST /theme: 200 <nil> <nil>
	// GET /me: 200 true alice Firefox on Linux dark
}

// Options of an application behind a proxy, with guests and a daily token rotation. New reports all
// faults at once.
func ExampleOptions() {
	sessions, done := sessionsFor(middleware.Options{
		TrustedProxies: []string{"10.0.0.0/8"},
		Guests:         true,
		CarryOver:      []string{"cart", middleware.FlashKey},
		RotateEvery:    24 * time.Hour,
		Fingerprint:    middleware.FingerprintReject,
	})
	defer done()

	_, err := middleware.New(sessions.Store(), middleware.Options{
		Cookie: middleware.Cookie{Name: "__Host-session", Domain: "example.org"}, RotateEvery: time.Second,
	})
	fmt.Println(err)
	// Output:
	// session middleware: invalid configuration:
	// cookie: name "__Host-session" must not have a Domain
	// rotation interval 1s is below the minimum of 1m
}

// A login with its own lifetime and data.
func ExampleLogin() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	login := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		err := h.Login(r.Context(), middleware.Login{
			UserID: "alice", Data: map[string]string{"role": "admin"}, TTL: time.Hour, MaxLifetime: 8 * time.Hour,
		})
		s, _ := h.Current()
		role, _, _ := middleware.Get[string](h, "role")
		fmt.Fprintln(w, role, s.TTL(), s.Deadline().Sub(s.CreatedAt()), err)
	})
	browse(sessions.Handler(login), "POST /login")
	// Output: POST /login: 200 admin 1h0m0s 8h0m0s <nil>
}

// Logged-in users do not see the login page.
func ExampleRequireGuest() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	form := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "name and password") })
	mux := http.NewServeMux()
	mux.Handle("GET /login", middleware.RequireGuest("/")(form))
	mux.Handle("POST /login", loginAs("alice"))
	browse(sessions.Handler(mux), "GET /login", "POST /login", "GET /login")
	// Output:
	// GET /login: 200 name and password
	// POST /login: 200
	// GET /login: 303 /
}

// A redirect may only go to a path of this site.
func ExampleLocalPath() {
	for _, next := range []string{"/account?tab=2", "//evil.example", `/\evil.example`, "https://evil.example", ""} {
		fmt.Println(middleware.LocalPath(next, "/"))
	}
	// Output:
	// /account?tab=2
	// /
	// /
	// /
	// /
}

// OnDenied answers what a guard refuses, here with a page that says why the session has ended.
func ExampleDenial() {
	sessions, done := sessionsFor(middleware.Options{
		OnDenied: func(w http.ResponseWriter, r *http.Request, d middleware.Denial) {
			if d.Ended == "" {
				middleware.Deny(w, r, d) // the default answer
				return
			}
			http.Error(w, "you have been logged out: "+string(d.Ended), d.Status)
		},
	})
	defer done()

	mux := http.NewServeMux()
	mux.Handle("POST /login", loginAs("alice"))
	mux.Handle("GET /account", middleware.RequireUser("/login")(http.NotFoundHandler()))
	mux.HandleFunc("POST /ban", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = sessions.Store().DestroyAllForUser(r.Context(), "alice", "account disabled")
	})
	browse(sessions.Handler(mux), "GET /account", "POST /login", "POST /ban", "GET /account")
	// Output:
	// GET /account: 303 /login?next=%2Faccount
	// POST /login: 200
	// POST /ban: 200
	// GET /account: 401 you have been logged out: account disabled
}

// A user ends one of their sessions on another device.
func ExampleDevice() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()
	_, _, _ = sessions.Store().Create(context.Background(), sessile.Meta{DeviceName: "a lost phone"}, "alice", nil)

	mux := http.NewServeMux()
	mux.Handle("POST /login", loginAs("alice"))
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		devices, err := h.Devices(r.Context())
		for _, d := range devices {
			if !d.Current {
				fmt.Fprint(w, d.DeviceName, " ")
				err = h.Revoke(r.Context(), d.ID)
			}
		}
		fmt.Fprintln(w, err)
	})
	browse(sessions.Handler(mux), "POST /login", "POST /revoke", "POST /revoke")
	// Output:
	// POST /login: 200
	// POST /revoke: 200 a lost phone <nil>
	// POST /revoke: 200 <nil>
}

// One cookie for a domain and its subdomains needs a name without the prefix __Host-.
func ExampleCookie() {
	sessions, done := sessionsFor(middleware.Options{
		Cookie: middleware.Cookie{Name: "__Secure-session", Domain: "example.com", SameSite: http.SameSiteStrictMode},
	})
	defer done()

	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "https://app.example.com/login", nil)
	sessions.Handler(loginAs("alice")).ServeHTTP(w, r)
	c := w.Result().Cookies()[0]
	fmt.Println(c.Name, c.Domain, c.Secure, c.HttpOnly, c.SameSite == http.SameSiteStrictMode)
	// Output: __Secure-session example.com true true true
}

// A sensitive route asks the database, because another node may have ended the session.
func ExampleVerify() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	pay := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "paid") })
	mux := http.NewServeMux()
	mux.Handle("POST /login", loginAs("alice"))
	mux.Handle("POST /pay", middleware.Verify("/login")(pay))
	browse(sessions.Handler(mux), "POST /pay", "POST /login", "POST /pay")
	// Output:
	// POST /pay: 401 Unauthorized
	// POST /login: 200
	// POST /pay: 200 paid
}

// A value that is used once.
func ExamplePop() {
	sessions, done := sessionsFor(middleware.Options{Guests: true})
	defer done()

	mux := http.NewServeMux()
	mux.HandleFunc("POST /begin", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, middleware.FromRequest(r).Set("state", "af0ifjsldkj")) // of an OAuth login, say
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		state, ok, err := middleware.Pop[string](middleware.FromRequest(r), "state")
		fmt.Fprintln(w, state, ok, err)
	})
	browse(sessions.Handler(mux), "POST /begin", "GET /callback", "GET /callback")
	// Output:
	// POST /begin: 200 <nil>
	// GET /callback: 200 af0ifjsldkj true <nil>
	// GET /callback: 200 false <nil>
}

// Before an action that must not outlive a logout, ask the store again.
func ExampleHandle_Check() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	mux := http.NewServeMux()
	mux.Handle("POST /login", loginAs("alice"))
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		s, _ := h.Current()
		_ = sessions.Store().Destroy(r.Context(), s.ID()) // while the body comes, the user logs out elsewhere
		if err := h.Check(r.Context()); err != nil {
			http.Error(w, "log in again", http.StatusUnauthorized)
		}
	})
	browse(sessions.Handler(mux), "POST /login", "POST /order")
	// Output:
	// POST /login: 200
	// POST /order: 401 log in again
}
