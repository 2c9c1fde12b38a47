package demo

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

type sessionBody struct {
	Session   sessile.Session
	ExpiresAt time.Time
	Count     int
}

func (a *App) sessionPage(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	count, _, err := middleware.Get[int](h, keyCount)
	if err != nil {
		return err
	}
	s, _ := h.Current()
	return a.show(w, r, h, "session", "Session", sessionBody{s, a.expiresAfter(s), count})
}

// expiresAfter returns when the session will expire once this request counts as an access, which
// happens when the response is sent.
func (a *App) expiresAfter(s sessile.Session) time.Time {
	now := a.store.Now()
	if now.Sub(s.LastActiveAt()) < a.store.Config().TouchInterval {
		return s.ExpiresAt()
	}
	renewed := now.Add(s.TTL())
	if !s.Deadline().IsZero() && s.Deadline().Before(renewed) {
		return s.Deadline()
	}
	return renewed
}

func (a *App) count(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	n, err := increment(h)
	if err != nil {
		return err
	}
	return a.changed(w, r, h, middleware.LocalPath(r.PostFormValue("next"), "/session"), fmt.Sprintf("The counter is now %d.", n))
}

// increment adds one. Two simultaneous requests may both store the same number, because a key of
// the session holds a value, not an operation. Exact counts belong in the application's database.
func increment(h *middleware.Handle) (int, error) {
	n, _, err := middleware.Get[int](h, keyCount)
	if err != nil {
		return 0, err
	}
	return n + 1, h.Set(keyCount, n+1)
}

func (a *App) rotate(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if err := h.Rotate(r.Context()); err != nil {
		return err
	}
	return a.back(w, r, h, "/session", "This session has a new token.")
}

type devicesBody struct{ Devices []middleware.Device }

func (a *App) devices(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	all, err := h.Devices(r.Context())
	if err != nil {
		return err
	}
	return a.show(w, r, h, "devices", "Devices", devicesBody{all})
}

func (a *App) revoke(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	id, err := sessile.ParseID(r.PostFormValue("id"))
	if err != nil {
		return err
	}
	if err := h.Revoke(r.Context(), id); err != nil {
		return err
	}
	if !h.IsAuthenticated() { // the user revoked this device
		return goodbye(w, r)
	}
	return a.back(w, r, h, "/devices", "The device was logged out.")
}

func (a *App) logoutOthers(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	n, err := h.LogoutOthers(r.Context())
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d other devices were logged out.", n)
	if n == 1 {
		text = "1 other device was logged out."
	}
	return a.back(w, r, h, "/devices", text)
}

func (a *App) logoutAll(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if _, err := h.LogoutAll(r.Context()); err != nil {
		return err
	}
	return goodbye(w, r)
}

// back redirects to a page that shows text once.
func (a *App) back(w http.ResponseWriter, r *http.Request, h *middleware.Handle, path, text string) error {
	if err := h.AddFlash("good", text); err != nil {
		return err
	}
	seeOther(w, r, path)
	return nil
}

// changed notifies the pages that watch this session, then redirects. It saves the session first,
// so that they read the new state.
func (a *App) changed(w http.ResponseWriter, r *http.Request, h *middleware.Handle, path, text string) error {
	if err := a.noteChange(r, h, text); err != nil {
		return err
	}
	seeOther(w, r, path)
	return nil
}

func (a *App) noteChange(r *http.Request, h *middleware.Handle, text string) error {
	if err := h.Save(r.Context()); err != nil {
		return err
	}
	if s, ok := h.Current(); ok {
		a.hub.toSession(s.ID(), text)
	}
	return nil
}

// sentence formats an error for the user.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
