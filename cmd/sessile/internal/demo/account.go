package demo

import (
	"errors"
	"net/http"

	"github.com/sessile/sessile/cmd/sessile/internal/users"
	"github.com/sessile/sessile/middleware"
)

type accountBody struct{ Error string }

func (a *App) accountPage(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	return a.show(w, r, h, "account", "Account", accountBody{})
}

// changePassword is the dangerous action. Whoever knew the old password may
// have sessions of their own, so all others end, and this one gets a new token.
func (a *App) changePassword(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	user, _ := h.UserID()
	err := a.users.SetPassword(r.Context(), user, r.PostFormValue("password"))
	if errors.Is(err, users.ErrWeakPassword) {
		return a.pages.render(w, http.StatusUnprocessableEntity, "account", a.view(r, h, "Account", accountBody{Error: sentence(err)}))
	}
	if err != nil {
		return err
	}
	if _, err := h.LogoutOthers(r.Context()); err != nil {
		return err
	}
	if err := h.Reauthenticated(r.Context()); err != nil {
		return err
	}
	return a.back(w, r, h, "/devices", "Your password is changed, and every other device is logged out.")
}
