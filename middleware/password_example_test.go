package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/sessile/sessile/middleware"
)

// passwords is the application's table of passwords. Hash yours.
type passwords struct {
	mu  sync.Mutex
	set map[string]string
}

func (p *passwords) check(user, password string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set[user] != password {
		return errors.New("wrong password")
	}
	return nil
}

func (p *passwords) change(user, password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set[user] = password
}

// After a change of password nobody is logged in with the old one: no existing session survives, no
// login in flight succeeds, and no earlier request acts.
func ExampleLogin_changeOfPassword() {
	sessions, done := sessionsFor(middleware.Options{})
	defer done()
	users := &passwords{set: map[string]string{"alice": "old"}}

	login := func(w http.ResponseWriter, r *http.Request) {
		user, password := r.FormValue("user"), r.FormValue("password")
		err := users.check(user, password)
		if err == nil {
			err = middleware.FromRequest(r).Login(r.Context(), middleware.Login{
				UserID: user,
				// Check again now that the session exists: the password may have changed meanwhile.
				Confirm: func(context.Context) error { return users.check(user, password) },
			})
		}
		fmt.Fprintln(w, "logged in:", err == nil)
	}
	change := func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		user, _ := h.UserID()
		if users.check(user, r.FormValue("old")) != nil { // reads the body, which may take a while
			http.Error(w, "wrong password", http.StatusForbidden)
			return
		}
		// After the body is read, because the session may have ended meanwhile.
		if err := h.Reauthenticate(r.Context()); err != nil {
			http.Error(w, "log in again", http.StatusUnauthorized)
			return
		}
		users.change(user, r.FormValue("new")) // first the account,
		n, err := h.LogoutOthers(r.Context())  // then its sessions
		fmt.Fprintln(w, "logged out:", n, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.Handle("POST /password", middleware.RequireUser("/login")(http.HandlerFunc(change)))
	browse(sessions.Handler(mux),
		"POST /login?user=alice&password=old", "POST /password?old=old&new=better", "POST /login?user=alice&password=old")
	// Output:
	// POST /login?user=alice&password=old: 200 logged in: true
	// POST /password?old=old&new=better: 200 logged out: 0 <nil>
	// POST /login?user=alice&password=old: 200 logged in: false
}
