package gorilla_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gorilla"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// program is a program that was written for gorilla/sessions.
func program(store sessions.Store) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, do func(w io.Writer, s *sessions.Session) (save bool)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := store.Get(r, "app")
			if err != nil && s == nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			var body writer
			if do(&body, s) {
				if err := s.Save(r, w); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
			}
			_, _ = w.Write(body)
		})
	}
	handle("/login", func(_ io.Writer, s *sessions.Session) bool {
		s.Values["userID"], s.Values["theme"] = 42, "dark"
		return true
	})
	handle("/me", func(w io.Writer, s *sessions.Session) bool {
		fmt.Fprint(w, s.Values["userID"], " ", s.Values["theme"])
		return false
	})
	handle("/seen", func(_ io.Writer, s *sessions.Session) bool {
		s.Values["seen"] = true
		return true
	})
	handle("/logout", func(_ io.Writer, s *sessions.Session) bool {
		s.Options.MaxAge = -1
		return true
	})
	return mux
}

type writer []byte

func (w *writer) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

// site is a server whose program can be replaced.
type site struct {
	*testing.T
	server  *httptest.Server
	program atomic.Pointer[http.Handler]
	url     *url.URL
}

func newSite(t *testing.T, h http.Handler) *site {
	t.Helper()
	s := &site{T: t}
	s.deploy(h)
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.program.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	var err error
	if s.url, err = url.Parse(s.server.URL); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) deploy(h http.Handler) { s.program.Store(&h) }

// browser returns a browser with these cookies.
func (s *site) browser(cookies ...*http.Cookie) *http.Client {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	jar.SetCookies(s.url, cookies)
	return &http.Client{Jar: jar, Transport: s.server.Client().Transport}
}

func (s *site) get(b *http.Client, path string) string {
	s.Helper()
	resp, err := b.Get(s.server.URL + path)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.Fatalf("%s: %d %s, %v", path, resp.StatusCode, text, err)
	}
	return string(text)
}

func (s *site) want(got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("got %q, want %q", got, want)
	}
}

const (
	known   = "42 dark"
	unknown = "<nil> <nil>"
)

// stays checks that a user who logged in before the move is still logged in, and logs out for good.
// touch is a page that saves the session.
func (s *site) stays(b *http.Client, store *sessile.Store, touch string) {
	s.Helper()
	copied := b.Jar.Cookies(s.url)
	s.want(s.get(b, "/me"), known)
	s.get(b, touch)
	s.want(s.get(b, "/me"), known)
	if list, err := store.ListForUser(s.Context(), "42"); err != nil || len(list) != 1 {
		s.Errorf("%d sessions of the user, %v", len(list), err)
	}
	s.want(s.get(s.browser(copied...), "/me"), unknown) // the old cookie has been used
	moved := b.Jar.Cookies(s.url)
	if len(moved) != 1 || moved[0].Value == copied[0].Value {
		s.Errorf("the browser has %d cookies", len(moved))
	}
	s.get(b, "/logout")
	for _, cookies := range [][]*http.Cookie{b.Jar.Cookies(s.url), copied, moved} {
		s.want(s.get(s.browser(cookies...), "/me"), unknown)
	}
}

// loggedIn returns a browser that logged in at the old program.
func (s *site) loggedIn() *http.Client {
	s.Helper()
	b := s.browser()
	s.get(b, "/login")
	s.want(s.get(b, "/me"), known)
	return b
}

// used is a directory with an empty file for each old cookie that has moved. It works for several
// processes. A table with a unique key works as well.
type used string

func (u used) file(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return filepath.Join(string(u), hex.EncodeToString(sum[:]))
}

func (u used) has(cookie string) bool {
	_, err := os.Stat(u.file(cookie))
	return err == nil
}

// add marks a cookie. It returns ErrNoSession if the cookie is marked already.
func (u used) add(cookie string) error {
	f, err := os.OpenFile(u.file(cookie), os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return middleware.ErrNoSession
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// adoptCookies returns Adopt for the sessions of a CookieStore. They are in the cookie alone, so the
// program itself must remember which have moved, as long as the cookies are valid. This is the recipe
// of docs/coming-from.md.
func adoptCookies(from sessions.Store, moved used, login func(map[any]any) (middleware.Login, error)) func(*http.Request) (middleware.Login, bool) {
	return func(r *http.Request) (middleware.Login, bool) {
		c, err := r.Cookie("app")
		if err != nil || moved.has(c.Value) {
			return middleware.Login{}, false
		}
		s, err := from.New(r, "app")
		if err != nil || s.IsNew {
			return middleware.Login{}, false
		}
		l, err := login(s.Values)
		l.Confirm = func(context.Context) error { return moved.add(c.Value) }
		return l, err == nil
	}
}

func key() []byte { return []byte("0123456789abcdef0123456789abcdef") }

func TestRecipeMovesUsersFromACookieStore(t *testing.T) {
	from := sessions.NewCookieStore(key())
	s := newSite(t, program(from))
	b, other := s.loggedIn(), s.loggedIn()
	copied := other.Jar.Cookies(s.url)

	store := middlewaretest.NewStore(t, sessile.Config{})
	to := gorilla.NewStore(store, "userID")
	to.Adopt, to.AdoptCookie = adoptCookies(from, used(t.TempDir()), to.Login), http.Cookie{Name: "app"}
	s.deploy(program(to))
	s.stays(b, store, "/seen")

	s.get(other, "/logout") // without a page that saves before
	s.want(s.get(s.browser(copied...), "/me"), unknown)
}

// The code of Adopt is in docs/coming-from.md.
func TestRecipeMovesUsersFromAFilesystemStore(t *testing.T) {
	from := sessions.NewFilesystemStore(t.TempDir(), key())
	from.Options.Secure = true
	s := newSite(t, program(from))
	b := s.loggedIn()

	store := middlewaretest.NewStore(t, sessile.Config{})
	to := gorilla.NewStore(store, "userID")
	to.AdoptCookie = http.Cookie{Name: "app"}
	to.Adopt = func(r *http.Request) (middleware.Login, bool) {
		s, err := from.New(r, "app")
		if err != nil || s.IsNew {
			return middleware.Login{}, false
		}
		l, err := to.Login(s.Values)
		l.Confirm = func(context.Context) error {
			s.Options.MaxAge = -1
			return from.Save(r, httptest.NewRecorder(), s) // any ResponseWriter: the cookie is removed elsewhere
		}
		return l, err == nil
	}
	s.deploy(program(to))
	s.stays(b, store, "/seen")
}

// The new program may use the middleware instead of gorilla's API.
func TestRecipeMovesUsersFromGorillaToTheMiddleware(t *testing.T) {
	from := sessions.NewCookieStore(key())
	s := newSite(t, program(from))
	b := s.loggedIn()

	login := func(values map[any]any) (middleware.Login, error) {
		return middleware.Login{UserID: fmt.Sprint(values["userID"]), Data: map[string]any{"theme": values["theme"]}}, nil
	}
	m := middlewaretest.New(t, middleware.Options{
		Adopt: adoptCookies(from, used(t.TempDir()), login), AdoptCookie: http.Cookie{Name: "app"},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		theme, _, err := middleware.Get[string](h, "theme")
		if user, ok := h.UserID(); ok && err == nil {
			fmt.Fprint(w, user, " ", theme)
			return
		}
		fmt.Fprint(w, unknown)
	})
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	s.deploy(m.Handler(mux))
	copied := b.Jar.Cookies(s.url)
	s.want(s.get(b, "/me"), known)
	s.want(s.get(b, "/me"), known)
	moved := b.Jar.Cookies(s.url)
	s.get(b, "/logout")
	for _, cookies := range [][]*http.Cookie{b.Jar.Cookies(s.url), copied, moved} {
		s.want(s.get(s.browser(cookies...), "/me"), unknown)
	}
}

// Two requests with one old cookie save at the same time. Only one of them moves the session.
func TestStoreMovesASessionOnce(t *testing.T) {
	from := sessions.NewCookieStore(key())
	s := newSite(t, program(from))
	cookies := s.loggedIn().Jar.Cookies(s.url)

	store := middlewaretest.NewStore(t, sessile.Config{})
	to := gorilla.NewStore(store, "userID")
	to.Adopt, to.AdoptCookie = adoptCookies(from, used(t.TempDir()), to.Login), http.Cookie{Name: "app"}
	set := make([]int, 2)
	var both []*sessions.Session
	for range set {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.AddCookie(cookies[0])
		session, err := to.New(r, "app")
		if err != nil || session.Values["theme"] != "dark" {
			t.Fatal(session.Values, err)
		}
		both = append(both, session)
	}
	for i, session := range both {
		w := httptest.NewRecorder()
		if err := session.Save(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), w); err != nil {
			t.Error(err)
		}
		for _, c := range w.Result().Cookies() {
			if c.Value != "" {
				set[i]++
			}
		}
	}
	if list, err := store.ListForUser(t.Context(), "42"); err != nil || len(list) != 1 || set[0] != 1 || set[1] != 0 {
		t.Errorf("%d sessions, cookies %v, %v", len(list), set, err)
	}
}
