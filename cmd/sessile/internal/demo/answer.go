package demo

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// view is what every page is rendered from.
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

// refusal is an error that is an answer of its own.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// view gathers what the layout shows. It takes the flash messages out of the
// session, which is a change, so it must run before the first byte is written.
func (a *App) view(r *http.Request, h *middleware.Handle, title string, body any) view {
	v := view{Title: title, Path: r.URL.Path, Body: body}
	v.User, _ = h.UserID()
	_, v.HasSession = h.Current()
	if v.User != "" {
		v.Nav = []link{
			{Name: "Shop", Path: "/"}, {Name: "Session", Path: "/session"}, {Name: "Devices", Path: "/devices"},
			{Name: "Live", Path: "/live"}, {Name: "Account", Path: "/account"},
		}
	}
	for i := range v.Nav {
		v.Nav[i].Here = v.Nav[i].Path == r.URL.Path
	}
	flashes, err := h.Flashes()
	if err != nil {
		a.log.Warn("taking the flash messages", zap.Error(err)) // the page is worth more than they are
	}
	v.Flashes = flashes
	return v
}

// show answers with a page.
func (a *App) show(w http.ResponseWriter, r *http.Request, h *middleware.Handle, name, title string, body any) error {
	return a.pages.render(w, http.StatusOK, name, a.view(r, h, title, body))
}

// page answers with HTML, whoever asks.
func (a *App) page(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := middleware.FromRequest(r)
		if err := do(w, r, h); err != nil {
			a.failPage(w, r, h, err)
		}
	})
}

// script answers with JSON.
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
		a.log.Debug("sending JSON", zap.Error(err)) // the client has gone
	}
}

func (a *App) failPage(w http.ResponseWriter, r *http.Request, h *middleware.Handle, err error) {
	status, text := a.explain(r, err)
	if status == http.StatusUnauthorized {
		lead(w, r, "/login")
		return
	}
	a.errorPage(w, status, a.view(r, h, http.StatusText(status), text))
}

func (a *App) errorPage(w http.ResponseWriter, status int, v view) {
	if err := a.pages.render(w, status, "error", v); err != nil {
		a.log.Error("answering with an error page", zap.Error(err))
	}
}

// explain turns an error into a status and a sentence for the user. What the
// user cannot help is logged.
func (a *App) explain(r *http.Request, err error) (int, string) {
	if own, ok := errors.AsType[*refusal](err); ok {
		return own.status, own.text
	}
	switch {
	case isType[*http.MaxBytesError](err):
		return http.StatusRequestEntityTooLarge, "That is more than this page takes."
	case errors.Is(err, middleware.ErrNoSession):
		return http.StatusUnauthorized, "You are not logged in."
	case isType[*sessile.RotatedError](err):
		return http.StatusConflict, "Another request has just changed this session. Please try again."
	case errors.Is(err, sessile.ErrLimitReached):
		return http.StatusConflict, "You are logged in on as many devices as is allowed. Log one of them out first."
	case errors.Is(err, sessile.ErrNotFound), errors.Is(err, sessile.ErrInvalidID):
		return http.StatusNotFound, "There is no such session."
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "The request was given up."
	}
	a.log.Error("request failed", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err))
	switch {
	case errors.Is(err, sessile.ErrNotDurable):
		// The session is refused from now on, but a crash before the disk recovers could bring it back.
		return http.StatusServiceUnavailable, "Done for now, but it could not be written to disk yet. The server keeps trying."
	case errors.Is(err, sessile.ErrUnavailable), errors.Is(err, sessile.ErrOverloaded), errors.Is(err, sessile.ErrUnknown),
		errors.Is(err, sessile.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "Sessions cannot be read or written at the moment. Please try again."
	default:
		return http.StatusInternalServerError, "Something went wrong on our side."
	}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func (a *App) missing(http.ResponseWriter, *http.Request, *middleware.Handle) error {
	return &refusal{http.StatusNotFound, "There is nothing at this address."}
}

// crossOrigin answers what the CSRF check refuses, before any session is looked up.
func (a *App) crossOrigin(w http.ResponseWriter, r *http.Request) {
	a.log.Warn("cross-origin request refused", zap.String("path", r.URL.Path), zap.String("origin", r.Header.Get("Origin")))
	a.plainFailure(w, r, &refusal{http.StatusForbidden, "This request came from another site, so nothing was done."})
}

// plainFailure answers an error where there is no session to show.
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

// lead answers a form, or a page that is not for now, with another page to get.
// A path that comes from a request has been through [middleware.LocalPath].
func lead(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, path, http.StatusSeeOther) //nolint:gosec // G710: see above
}
