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

// changePassword is the dangerous action, and the pattern to copy:
//
//  1. Refuse what is wrong with the form, before anything changes.
//  2. Ask the store whether this session is still good. It may have been ended
//     since the request began: its owner may have logged it out while the body
//     was on its way. Reauthenticated does that, and replaces the token.
//  3. Change the password.
//  4. End every other session: whoever knew the old password may own one of them.
//     A login that is under way with the old password is refused when it looks at
//     the password again; see [App.begin].
func (a *App) changePassword(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	user, _ := h.UserID()
	password := r.PostFormValue("password")
	if err := users.CheckPassword(user, password); err != nil {
		return a.pages.render(w, http.StatusUnprocessableEntity, "account", a.view(r, h, "Account", accountBody{Error: sentence(err)}))
	}
	if err := h.Reauthenticated(r.Context()); err != nil {
		return err
	}
	if err := a.users.SetPassword(r.Context(), user, password); err != nil {
		return err
	}
	if _, err := h.LogoutOthers(r.Context()); err != nil {
		return err
	}
	return a.back(w, r, h, "/devices", "Your password is changed, and every other device is logged out.")
}
