package scs_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	old "github.com/alexedwards/scs/v2"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/scs"
	"github.com/sessile/sessile/internal/move"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// manager is what both libraries have. The same program runs over both.
type manager interface {
	LoadAndSave(next http.Handler) http.Handler
	Put(ctx context.Context, key string, val any)
	Get(ctx context.Context, key string) any
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
		fmt.Fprint(w, m.Get(r.Context(), "userID"), " ", m.Get(r.Context(), "theme"))
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := m.Destroy(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return m.LoadAndSave(mux)
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
			s := move.NewSite(t, program(from))
			b := s.LoggedIn()

			store := middlewaretest.NewStore(t, sessile.Config{})
			to := moved(from, store)
			to.Cookie.Secure, to.Cookie.Name = true, name
			s.Deploy(program(to))
			s.LogsOut(b, store, s.Stays(b, store, "/me"))
		})
	}
}

// A program that uses the middleware itself moves users in the same way.
func TestRecipeMovesUsersFromScsToTheMiddleware(t *testing.T) {
	from := oldManager()
	s := move.NewSite(t, program(from))
	b := s.LoggedIn()

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
			fmt.Fprint(w, move.Unknown)
			return
		}
		fmt.Fprint(w, user, " ", theme)
	})
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	s.Deploy(sessions.Handler(mux))
	s.LogsOut(b, sessions.Store(), s.Stays(b, sessions.Store(), "/me"))
}
