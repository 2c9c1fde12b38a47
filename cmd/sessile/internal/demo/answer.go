package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// view is the input of every page template.
type view struct {
	Title, Path string
	User        string // "" for a guest
	HasSession  bool
	Nav         []link
	Flashes     []middleware.Flash
	Body        any
}

type link struct {
	Name, Path string
	Here       bool
}

// refusal is an error with its own status and text.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// view collects what the layout shows. It takes the flash messages out of the session, which is a
// change, so it must run before the first byte is written.
func (a *App) view(r *http.Request, h *middleware.Handle, title string, body any) view {
	v := view{Title: title, Path: r.URL.Path, Body: body}
	v.User, _ = h.UserID()
	_, v.HasSession = h.Current()
	if v.User != "" {
		v.Nav = []link{
			{Name: "Shop", Path: "/"}, {Name: "Session", Path: "/session"}, {Name: "Devices", Path: "/devices"},
			{Name: "Live", Path: "/live"}, {Name: "Storm", Path: "/storm"}, {Name: "Account", Path: "/account"},
		}
	}
	if v.User == Admin {
		v.Nav = append(v.Nav, link{Name: "Admin", Path: adminPrefix + "/"})
	}
	for i := range v.Nav {
		v.Nav[i].Here = v.Nav[i].Path == r.URL.Path
	}
	flashes, err := h.Flashes()
	if err != nil {
		a.log.Warn("reading the flash messages failed", zap.Error(err)) // show the page without them
	}
	v.Flashes = flashes
	if why := h.Ended(); why != "" {
		v.Flashes = append(v.Flashes, ending(why))
	}
	return v
}

// ending tells the user why the session has ended.
func ending(why sessile.EndReason) middleware.Flash {
	return middleware.Flash{Kind: "bad", Text: fmt.Sprintf("Your session has ended: %s.", why)}
}

// keepEnd keeps the reason why the session has ended for the page after a redirect. The redirect removes
// the cookie, so that page could not ask for the reason.
func (a *App) keepEnd(h *middleware.Handle) {
	why := h.Ended()
	if why == "" {
		return
	}
	f := ending(why)
	if err := h.AddFlash(f.Kind, f.Text); err != nil {
		a.log.Warn("keeping the reason of an ended session failed", zap.Error(err)) // redirect without it
	}
}

// denied answers a request that a guard refuses.
func (a *App) denied(w http.ResponseWriter, r *http.Request, d middleware.Denial) {
	if d.Ended != "" {
		a.keepEnd(middleware.FromRequest(r))
	}
	middleware.Deny(w, r, d)
}

// show responds with a page.
func (a *App) show(w http.ResponseWriter, r *http.Request, h *middleware.Handle, name, title string, body any) error {
	return a.pages.Render(w, http.StatusOK, name, a.view(r, h, title, body))
}

// page runs an action that responds with HTML.
func (a *App) page(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		if err := do(w, r, h); err != nil {
			a.failPage(w, r, h, err)
		}
	})
}

// script runs an action that responds with JSON.
func (a *App) script(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := do(w, r, middleware.FromRequest(r)); err != nil {
			status, text := a.explain(r, err)
			a.json(w, status, map[string]string{"error": text})
		}
	})
}

func (a *App) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.log.Debug("sending JSON failed", zap.Error(err)) // the client has disconnected
	}
}

func (a *App) failPage(w http.ResponseWriter, r *http.Request, h *middleware.Handle, err error) {
	status, text := a.explain(r, err)
	if status == http.StatusUnauthorized {
		a.keepEnd(h)
		seeOther(w, r, "/login")
		return
	}
	a.errorPage(w, status, a.view(r, h, http.StatusText(status), text))
}

func (a *App) errorPage(w http.ResponseWriter, status int, v view) {
	if err := a.pages.Render(w, status, "error", v); err != nil {
		a.log.Error("rendering the error page failed", zap.Error(err))
	}
}

// explain converts an error into a status and a sentence for the user. It logs errors that are not
// the user's fault.
func (a *App) explain(r *http.Request, err error) (int, string) {
	if own, ok := errors.AsType[*refusal](err); ok {
		return own.status, own.text
	}
	switch {
	case isType[*http.MaxBytesError](err):
		return http.StatusRequestEntityTooLarge, "The request is too large for this page."
	case errors.Is(err, middleware.ErrNoSession):
		return http.StatusUnauthorized, "You are not logged in."
	case isType[*sessile.RotatedError](err), errors.Is(err, sessile.ErrConflict):
		return http.StatusConflict, "Another request changed this session at the same time. Please try again."
	case errors.Is(err, sessile.ErrLimitReached):
		return http.StatusConflict, "You are logged in on the maximum number of devices. Log out one of them first."
	case errors.Is(err, sessile.ErrNotFound), errors.Is(err, sessile.ErrInvalidID):
		return http.StatusNotFound, "This session does not exist."
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "The request was cancelled."
	}
	a.log.Error("request failed", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err))
	switch {
	case errors.Is(err, sessile.ErrNotDurable):
		// The session is refused from now on, but a crash before the deletion is on disk could restore it.
		return http.StatusServiceUnavailable, "Done, but not written to disk yet. The server keeps trying."
	case errors.Is(err, sessile.ErrUnavailable), errors.Is(err, sessile.ErrOverloaded), errors.Is(err, sessile.ErrUnknown),
		errors.Is(err, sessile.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "Sessions are unavailable at the moment. Please try again."
	default:
		return http.StatusInternalServerError, "Something went wrong on our side."
	}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func (a *App) missing(http.ResponseWriter, *http.Request, *middleware.Handle) error {
	return &refusal{http.StatusNotFound, "There is no page at this address."}
}

// crossOrigin responds to requests that the CSRF check rejected, before any session lookup.
func (a *App) crossOrigin(w http.ResponseWriter, r *http.Request) {
	a.log.Warn("cross-origin request refused", zap.String("path", r.URL.Path), zap.String("origin", r.Header.Get("Origin")))
	a.plainFailure(w, r, &refusal{http.StatusForbidden, "This request came from another site. Nothing was changed."})
}

// plainFailure responds with an error where there is no session to show.
func (a *App) plainFailure(w http.ResponseWriter, r *http.Request, err error) {
	status, text := a.explain(r, err)
	if isScript(r) {
		w.Header().Set("Cache-Control", "no-store")
		a.json(w, status, map[string]string{"error": text})
		return
	}
	a.errorPage(w, status, view{Title: http.StatusText(status), Path: r.URL.Path, Body: text})
}

func isScript(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// seeOther redirects a form, or a page that is not available now, to another page. A path that comes
// from a request has passed [middleware.LocalPath].
func seeOther(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, path, http.StatusSeeOther) //nolint:gosec // G710: see above
}
