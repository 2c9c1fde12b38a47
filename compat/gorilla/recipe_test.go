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
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gorilla"
	"github.com/sessile/sessile/internal/move"
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
	s := move.NewSite(t, program(from))
	b, other := s.LoggedIn(), s.LoggedIn()
	copied := s.Cookies(other)

	store := middlewaretest.NewStore(t, sessile.Config{})
	to := gorilla.NewStore(store, "userID")
	to.Adopt, to.AdoptCookie = adoptCookies(from, used(t.TempDir()), to.Login), http.Cookie{Name: "app"}
	s.Deploy(program(to))
	old := s.Stays(b, store, "/seen")
	s.Shows(s.Browser(old...), move.Unknown) // the old cookie has been used
	s.LogsOut(b, store, old)

	s.Get(other, "/logout") // without a page that saves before
	s.Shows(s.Browser(copied...), move.Unknown)
}

// The code of Adopt is in docs/coming-from.md.
func TestRecipeMovesUsersFromAFilesystemStore(t *testing.T) {
	from := sessions.NewFilesystemStore(t.TempDir(), key())
	from.Options.Secure = true
	s := move.NewSite(t, program(from))
	b := s.LoggedIn()

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
	s.Deploy(program(to))
	old := s.Stays(b, store, "/seen")
	s.Shows(s.Browser(old...), move.Unknown) // the old session has ended
	s.LogsOut(b, store, old)
}

// The new program may use the middleware instead of gorilla's API.
func TestRecipeMovesUsersFromGorillaToTheMiddleware(t *testing.T) {
	from := sessions.NewCookieStore(key())
	s := move.NewSite(t, program(from))
	b := s.LoggedIn()

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
		fmt.Fprint(w, move.Unknown)
	})
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	s.Deploy(m.Handler(mux))
	s.LogsOut(b, m.Store(), s.Stays(b, m.Store(), "/me"))
}

// Two requests with one old cookie save at the same time. Only one of them moves the session.
func TestStoreMovesASessionOnce(t *testing.T) {
	from := sessions.NewCookieStore(key())
	s := move.NewSite(t, program(from))
	cookies := s.Cookies(s.LoggedIn())

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
