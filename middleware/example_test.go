package middleware_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// sessionsFor returns a session middleware over a store in a new file.
func sessionsFor(opts middleware.Options) (sessions *middleware.Sessions, done func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sessile.Open(context.Background(), sessile.Config{Path: filepath.Join(dir, "sessions.db")})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err = middleware.New(store, opts)
	if err != nil {
		log.Fatal(err)
	}
	return sessions, func() {
		_ = store.Close()
		_ = os.RemoveAll(dir)
	}
}

// browse is a browser that sends requests "METHOD /path" to app, one after the other.
func browse(app http.Handler, requests ...string) {
	server := httptest.NewTLSServer(app)
	defer server.Close()
	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, request := range requests {
		method, path, _ := strings.Cut(request, " ")
		r, err := http.NewRequestWithContext(context.Background(), method, server.URL+path, nil)
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
		r.Header.Set("Accept", "text/html")
		resp, err := browser.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d", request, resp.StatusCode)
		text := strings.TrimSpace(string(body))
		if to := resp.Header.Get("Location"); to != "" {
			text = to
		}
		if text != "" {
			text = " " + text
		}
		fmt.Println(text)
	}
}

// Log in, read the user, log out.
func ExampleHandle_Authenticate() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// The password has been checked. The session is always new.
		if err := middleware.FromRequest(r).Authenticate(r.Context(), "alice"); err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		user, ok := middleware.FromRequest(r).UserID()
		fmt.Fprintln(w, user, ok)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Logout(r.Context()); err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
		}
	})
	browse(sessions.Handler(mux), "POST /login", "GET /me", "POST /logout", "GET /me")
	// Output:
	// POST /login: 200
	// GET /me: 200 alice true
	// POST /logout: 200
	// GET /me: 200 false
}

// "Remember me" gives a login its own lifetime.
func ExampleHandle_Login() {
	sessions, done := sessionsFor(middleware.Options{CarryOver: []string{"cart"}, Guests: true})
	defer done()

	mux := http.NewServeMux()
	mux.HandleFunc("POST /buy", func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Set("cart", []string{"bread"}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		err := h.Login(r.Context(), middleware.Login{
			UserID: "alice", Data: map[string]string{"role": "admin"}, TTL: 365 * 24 * time.Hour, MaxLifetime: sessile.NoMaxLifetime,
		})
		cart, _, _ := middleware.Get[[]string](h, "cart") // carried over from the guest session
		fmt.Fprintln(w, cart, err)
	})
	browse(sessions.Handler(mux), "POST /buy", "POST /login")
	// Output:
	// POST /buy: 200
	// POST /login: 200 [bread] <nil>
}

// A counter. The change is committed with the response.
func ExampleGet() {
	sessions, done := sessionsFor(middleware.Options{Guests: true})
	defer done()

	count := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		n, _, err := middleware.Get[int](h, "count")
		if err == nil {
			err = h.Set("count", n+1)
		}
		fmt.Fprintln(w, n+1, err)
	})
	browse(sessions.Handler(count), "GET /", "GET /", "GET /")
	// Output:
	// GET /: 200 1 <nil>
	// GET /: 200 2 <nil>
	// GET /: 200 3 <nil>
}

// A message for the page after the redirect.
func ExampleHandle_AddFlash() {
	sessions, done := sessionsFor(middleware.Options{Guests: true})
	defer done()

	mux := http.NewServeMux()
	mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).AddFlash("success", "Saved."); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		messages, err := middleware.FromRequest(r).Flashes()
		fmt.Fprintln(w, messages, err)
	})
	browse(sessions.Handler(mux), "POST /save", "GET /", "GET /")
	// Output:
	// POST /save: 303 /
	// GET /: 200 [{success Saved.}] <nil>
	// GET /: 200 [] <nil>
}

// A page of devices: list them, log out the others.
func ExampleHandle_Devices() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	mux := http.NewServeMux()
	mux.Handle("POST /login", loginAs("alice"))
	mux.HandleFunc("GET /devices", func(w http.ResponseWriter, r *http.Request) {
		devices, err := middleware.FromRequest(r).Devices(r.Context())
		for _, d := range devices {
			fmt.Fprintln(w, d.DeviceName, d.Current)
		}
		if err != nil {
			http.Error(w, "log in first", http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("POST /logout-others", func(w http.ResponseWriter, r *http.Request) {
		n, err := middleware.FromRequest(r).LogoutOthers(r.Context())
		fmt.Fprintln(w, n, err)
	})
	browse(sessions.Handler(mux), "GET /devices", "POST /login", "GET /devices", "POST /logout-others")
	// Output:
	// GET /devices: 401 log in first
	// POST /login: 200
	// GET /devices: 200 Firefox on Linux true
	// POST /logout-others: 200 0 <nil>
}

// Pages for users only send browsers to the login page and back.
func ExampleRequireUser() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	account := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "your account") })
	mux := http.NewServeMux()
	mux.Handle("GET /account", middleware.RequireUser("/login")(account))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Authenticate(r.Context(), "alice"); err == nil {
			http.Redirect(w, r, middleware.LocalPath(r.FormValue("next"), "/"), http.StatusSeeOther)
		}
	})
	browse(sessions.Handler(mux), "GET /account", "POST /login?next=%2Faccount", "GET /account", "POST /login?next=//evil.example")
	// Output:
	// GET /account: 303 /login?next=%2Faccount
	// POST /login?next=%2Faccount: 303 /account
	// GET /account: 200 your account
	// POST /login?next=//evil.example: 303 /
}

// A sensitive action requires recent authentication.
func ExampleRequireFresh() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	remove := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "account deleted") })
	guarded := middleware.RequireUser("")(middleware.RequireFresh(5*time.Minute, "/confirm")(remove))
	mux := http.NewServeMux()
	mux.Handle("POST /delete", guarded)
	mux.Handle("POST /login", loginAs("alice"))
	mux.HandleFunc("POST /confirm", func(w http.ResponseWriter, r *http.Request) {
		// The password has been checked once more. Reauthenticate also replaces the token.
		if err := middleware.FromRequest(r).Reauthenticate(r.Context()); err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
		}
	})
	browse(sessions.Handler(mux), "POST /delete", "POST /login", "POST /confirm", "POST /delete")
	// Output:
	// POST /delete: 401 Unauthorized
	// POST /login: 200
	// POST /confirm: 200
	// POST /delete: 200 account deleted
}

// A stream writes to its session at once, and ends with the session.
func ExampleHandle_Done() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()

	mux := http.NewServeMux()
	mux.Handle("POST /login", loginAs("alice"))
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		s, _ := h.Current()
		over := h.Done(r.Context())
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintln(w, "data: hello")
		_ = http.NewResponseController(w).Flush() // the response has begun: Set is too late from here on
		err := h.Update(r.Context(), new(sessile.Changes).Set("watched", true))
		_ = sessions.Store().Destroy(r.Context(), s.ID()) // somewhere else they log this device out
		select {
		case <-over:
			fmt.Fprintln(w, "data: you have been logged out", err)
		case <-r.Context().Done():
		}
	})
	browse(sessions.Handler(mux), "POST /login", "GET /events")
	// Output:
	// POST /login: 200
	// GET /events: 200 data: hello
	// data: you have been logged out <nil>
}

// A mobile application keeps its token itself.
func ExampleHandle_Token() {
	sessions, done := sessionsFor(middleware.Options{Bearer: true})
	defer done()

	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/login", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		if err := h.Authenticate(r.Context(), "alice"); err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
			return
		}
		token, _ := h.Token()
		fmt.Fprintln(w, token.Reveal())
	})
	mux.HandleFunc("GET /api/me", func(w http.ResponseWriter, r *http.Request) {
		user, _ := middleware.FromRequest(r).UserID()
		fmt.Fprint(w, user)
	})
	app := sessions.Handler(mux)
	login := httptest.NewRecorder()
	app.ServeHTTP(login, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/api/login", nil))

	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/api/me", nil)
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(login.Body.String()))
	me := httptest.NewRecorder()
	app.ServeHTTP(me, r)
	fmt.Println(me.Body)
	// Output: alice
}
