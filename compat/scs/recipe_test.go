package scs_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	old "github.com/alexedwards/scs/v2"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/scs"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// manager is what both libraries have. The same program runs over both.
type manager interface {
	LoadAndSave(next http.Handler) http.Handler
	Put(ctx context.Context, key string, val any)
	Get(ctx context.Context, key string) any
	GetInt(ctx context.Context, key string) int
	GetTime(ctx context.Context, key string) time.Time
	RenewToken(ctx context.Context) error
	Destroy(ctx context.Context) error
}

// program is a program that was written for scs.
func program(m manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if err := m.RenewToken(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		m.Put(r.Context(), "userID", 42)
		m.Put(r.Context(), "theme", "dark")
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%d %v", m.GetInt(r.Context(), "userID"), m.Get(r.Context(), "theme"))
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := m.Destroy(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return m.LoadAndSave(mux)
}

// site is a server whose program can be replaced, and a browser.
type site struct {
	t       *testing.T
	server  *httptest.Server
	program atomic.Pointer[http.Handler]
	browser *http.Client
}

func newSite(t *testing.T, h http.Handler) *site {
	t.Helper()
	s := &site{t: t}
	s.deploy(h)
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.program.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	s.browser = s.newBrowser()
	return s
}

func (s *site) deploy(h http.Handler) { s.program.Store(&h) }

func (s *site) newBrowser() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: s.server.Client().Transport}
}

func (s *site) get(path string) string {
	s.t.Helper()
	return s.as(s.browser, path)
}

func (s *site) as(browser *http.Client, path string) string {
	s.t.Helper()
	resp, err := browser.Get(s.server.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
	}
	return string(text)
}

func (s *site) cookies() []*http.Cookie {
	u, err := url.Parse(s.server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.browser.Jar.Cookies(u)
}

// thief returns a browser with cookies that were copied.
func (s *site) thief(cookies []*http.Cookie) *http.Client {
	s.t.Helper()
	browser := s.newBrowser()
	u, err := url.Parse(s.server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	browser.Jar.SetCookies(u, cookies)
	return browser
}

func (s *site) want(got, want string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("got %q, want %q", got, want)
	}
}

func oldManager() *old.SessionManager {
	from := old.New()
	from.Cookie.Secure = true
	return from
}

// moved returns a manager that takes over the sessions of another. Its code is in docs/coming-from.md.
func moved(from *old.SessionManager, store *sessile.Store) *scs.SessionManager {
	to := scs.New(store, "userID")
	to.Options.AdoptCookie = http.Cookie{Name: from.Cookie.Name, Path: from.Cookie.Path, Domain: from.Cookie.Domain}
	to.Options.Adopt = func(r *http.Request) (middleware.Login, bool) {
		c, err := r.Cookie(from.Cookie.Name)
		if err != nil {
			return middleware.Login{}, false
		}
		ctx, err := from.Load(context.Background(), c.Value)
		if err != nil || from.Token(ctx) == "" { // scs begins an empty session for a token that it does not know
			return middleware.Login{}, false
		}
		values := make(map[string]any)
		for _, key := range from.Keys(ctx) {
			values[key] = from.Get(ctx, key)
		}
		l, err := to.Login(values)
		l.Confirm = func(context.Context) error { return from.Destroy(ctx) }
		return l, err == nil
	}
	return to
}

func TestRecipeMovesUsersFromScs(t *testing.T) {
	for _, name := range []string{"session", "another"} { // the new cookie has the old one's name, or not
		t.Run(name, func(t *testing.T) {
			from := oldManager()
			s := newSite(t, program(from))
			s.get("/login")
			s.want(s.get("/me"), "42 dark")
			copied := s.cookies()

			store := middlewaretest.NewStore(t, sessile.Config{})
			to := moved(from, store)
			to.Cookie.Secure, to.Cookie.Name = true, name
			s.deploy(program(to))
			s.stays(store, "42", copied)
		})
	}
}

// stays checks that the browser's user is still logged in, and logs out for good.
func (s *site) stays(store *sessile.Store, user string, copied []*http.Cookie) {
	s.t.Helper()
	s.want(s.get("/me"), "42 dark")
	s.want(s.get("/me"), "42 dark")
	if list, err := store.ListForUser(s.t.Context(), user); err != nil || len(list) != 1 {
		s.t.Errorf("%d sessions of the user, %v", len(list), err)
	}
	if now := s.cookies(); len(now) != 1 || now[0].Value == copied[0].Value {
		s.t.Errorf("the browser has %d cookies", len(now))
	}
	moved := s.cookies()
	s.get("/logout")
	for _, cookies := range [][]*http.Cookie{s.cookies(), copied, moved} {
		s.want(s.as(s.thief(cookies), "/me"), "0 <nil>")
	}
	if list, err := store.ListForUser(s.t.Context(), user); err != nil || len(list) != 0 {
		s.t.Errorf("%d sessions of the user after the logout, %v", len(list), err)
	}
}

// A program that uses the middleware itself moves users in the same way.
func TestRecipeMovesUsersFromScsToTheMiddleware(t *testing.T) {
	from := oldManager()
	s := newSite(t, program(from))
	s.get("/login")
	copied := s.cookies()

	sessions := middlewaretest.New(t, middleware.Options{
		AdoptCookie: http.Cookie{Name: from.Cookie.Name},
		Adopt: func(r *http.Request) (middleware.Login, bool) {
			c, err := r.Cookie(from.Cookie.Name)
			if err != nil {
				return middleware.Login{}, false
			}
			ctx, err := from.Load(context.Background(), c.Value)
			if err != nil || from.GetInt(ctx, "userID") == 0 {
				return middleware.Login{}, false
			}
			return middleware.Login{
				UserID:  strconv.Itoa(from.GetInt(ctx, "userID")),
				Data:    map[string]any{"theme": from.GetString(ctx, "theme")},
				Confirm: func(context.Context) error { return from.Destroy(ctx) }, // or a copy of the old cookie logs in again
			}, true
		},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		user, ok := h.UserID()
		theme, _, err := middleware.Get[string](h, "theme")
		if !ok || err != nil {
			fmt.Fprint(w, "0 <nil>")
			return
		}
		fmt.Fprint(w, user, " ", theme)
	})
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	s.deploy(sessions.Handler(mux))
	s.stays(sessions.Store(), "42", copied)
}
