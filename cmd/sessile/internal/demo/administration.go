package demo

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sessile/sessile/admin"
	"github.com/sessile/sessile/middleware"
)

// Admin is the account that may administer the store. It has the password of the others: do not copy
// that.
const Admin = "admin"

// adminPrefix is where the dashboard is.
const adminPrefix = "/admin"

var (
	errNotAdmin = errors.New("the user is no administrator")
	errEnded    = errors.New("the administrator's session has ended")
)

// administration returns the dashboard and its API, for the account [Admin].
func (a *App) administration() (http.Handler, error) {
	handler, err := admin.Handler(a.store, admin.Options{
		Prefix: adminPrefix, Authorize: a.isAdmin, ReadOnly: a.settings.ReadOnlyAdmin,
		Feed: a.feed, Closing: a.leaving, Logger: adminLog(a.log),
	})
	if err != nil {
		return nil, err
	}
	return middleware.RequireUser("/login")(handler), nil
}

// isAdmin asks the store whether the session still exists. An open event stream asks again and again,
// so it ends soon after the administrator has been logged out.
func (a *App) isAdmin(r *http.Request) error {
	s, ok := middleware.FromRequest(r).Current()
	if !ok || s.UserID() != Admin {
		return errNotAdmin
	}
	now, err := a.store.Read(r.Context(), s.ID())
	if err != nil {
		return fmt.Errorf("reading the administrator's session: %w", err)
	}
	if !now.ActiveAt(a.store.Now()) {
		return errEnded
	}
	return nil
}
