package demo

import (
	"net/http"

	"github.com/sessile/sessile/cmd/sessile/internal/users"
	"github.com/sessile/sessile/middleware"
)

type accountBody struct{ Error string }

func (a *App) accountPage(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	return a.show(w, r, h, "account", "Account", accountBody{})
}

// changePassword is the sensitive action. Copy this pattern:
//
//  1. Reject an invalid form before anything changes.
//  2. Call Reauthenticate. It replaces the token and fails if the session has ended since the
//     request began: the owner may have logged it out while the body was being sent.
//  3. Change the password.
//  4. End every other session, because somebody who knew the old password may own one. A
//     concurrent login with the old password fails when it checks its proof; see [App.begin].
func (a *App) changePassword(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	user, _ := h.UserID()
	password := r.PostFormValue("password")
	if err := users.CheckPassword(user, password); err != nil {
		return a.pages.Render(w, http.StatusUnprocessableEntity, "account", a.view(r, h, "Account", accountBody{Error: sentence(err)}))
	}
	if err := h.Reauthenticate(r.Context()); err != nil {
		return err
	}
	if err := a.users.SetPassword(r.Context(), user, password); err != nil {
		return err
	}
	if _, err := h.LogoutOthers(r.Context()); err != nil {
		return err
	}
	return a.back(w, r, h, "/devices", "Your password was changed. All other devices were logged out.")
}
