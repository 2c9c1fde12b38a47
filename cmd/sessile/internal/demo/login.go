package demo

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/sessile/sessile/cmd/sessile/internal/users"
	"github.com/sessile/sessile/middleware"
)

// loginBody is the input of the login page.
type loginBody struct {
	Error, Name, Next  string
	Names              []string
	Password, Remember string
}

func (a *App) loginPage(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	next := middleware.LocalPath(r.URL.Query().Get("next"), "/")
	if h.IsAuthenticated() {
		seeOther(w, r, next)
		return nil
	}
	return a.askLogin(w, r, h, http.StatusOK, loginBody{Next: next})
}

func (a *App) askLogin(w http.ResponseWriter, r *http.Request, h *middleware.Handle, status int, b loginBody) error {
	b.Names, b.Password, b.Remember = a.users.Names(), Password, rough(a.settings.RememberFor)
	v := a.view(r, h, "Log in", b)
	// The session is gone after a logout, so the message cannot wait in it.
	if r.Method == http.MethodGet && r.URL.Query().Has("bye") {
		v.Flashes = append(v.Flashes, middleware.Flash{Kind: "good", Text: "You are logged out."})
	}
	return a.pages.Render(w, status, "login", v)
}

// login checks the password and starts a new session. It always gets a new ID and a new token,
// whatever the browser had before. It keeps the guest's cart.
//
// An application on the internet also limits the rate of attempts per account and per address.
// The demo only bounds how many run concurrently.
func (a *App) login(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	name, next := r.PostFormValue("name"), middleware.LocalPath(r.PostFormValue("next"), "/")
	proof, err := a.users.Verify(r.Context(), name, r.PostFormValue("password"))
	if err == nil {
		err = a.begin(r, h, proof, r.PostFormValue("remember") != "")
	}
	if errors.Is(err, users.ErrWrongPassword) {
		return a.askLogin(w, r, h, http.StatusUnauthorized, loginBody{Error: "The name or the password is wrong.", Name: name, Next: next})
	}
	if err != nil {
		return err
	}
	seeOther(w, r, next)
	return nil
}

// begin logs a user in. A remembered login gets longer timeouts. Once the session exists, Confirm
// checks the proof again, because the password may have changed after it was verified.
func (a *App) begin(r *http.Request, h *middleware.Handle, proof users.Proof, remember bool) error {
	login := middleware.Login{
		UserID:  proof.ID,
		Confirm: func(context.Context) error { return a.users.Holds(proof) },
	}
	if remember {
		login.TTL, login.MaxLifetime = a.settings.RememberFor, 3*a.settings.RememberFor
	}
	return h.Login(r.Context(), login)
}

func (a *App) logout(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if err := h.Logout(r.Context()); err != nil {
		return err
	}
	return goodbye(w, r)
}

// goodbye redirects to the login page, which confirms the logout.
func goodbye(w http.ResponseWriter, r *http.Request) error {
	seeOther(w, r, "/login?bye")
	return nil
}

// confirmBody is the input of the page that asks for the password again.
type confirmBody struct {
	Error, Next     string
	AuthenticatedAt any
}

func (a *App) confirmPage(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	return a.askConfirm(w, r, h, http.StatusOK, confirmBody{Next: middleware.LocalPath(r.URL.Query().Get("next"), "/account")})
}

func (a *App) askConfirm(w http.ResponseWriter, r *http.Request, h *middleware.Handle, status int, b confirmBody) error {
	s, _ := h.Current()
	b.AuthenticatedAt = s.AuthenticatedAt()
	return a.pages.Render(w, status, "confirm", a.view(r, h, "Confirm that it’s you", b))
}

// confirm records a recent authentication and replaces the token, as after every change of
// privileges.
func (a *App) confirm(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	user, _ := h.UserID()
	next := middleware.LocalPath(r.PostFormValue("next"), "/account")
	_, err := a.users.Verify(r.Context(), user, r.PostFormValue("password"))
	if errors.Is(err, users.ErrWrongPassword) {
		return a.askConfirm(w, r, h, http.StatusUnauthorized, confirmBody{Error: "This is not your password.", Next: next})
	}
	if err != nil {
		return err
	}
	if err := h.Reauthenticate(r.Context()); err != nil {
		return err
	}
	seeOther(w, r, next)
	return nil
}

// withNext returns a path that continues to next.
func withNext(path, next string) string { return path + "?next=" + url.QueryEscape(next) }
