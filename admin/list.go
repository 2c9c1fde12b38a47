package admin

import (
	"net/http"

	"github.com/sessile/sessile"
)

// sessionsBody is the input of the list of sessions.
type sessionsBody struct {
	Query    sessile.Query
	Sessions []sessile.Session
	Next     string // URL of the next page, or ""
	First    string // URL of the first page, or "" if this is it
	Filtered bool
	ReadOnly bool
}

func (h *handler) sessionsPage(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r.URL)
	if err != nil {
		return err
	}
	page, err := h.search(r.Context(), q)
	if err != nil {
		return err
	}
	body := sessionsBody{Query: q, Sessions: page.Sessions, Filtered: q.UserID+q.IPAddress+q.Device != "", ReadOnly: h.options.ReadOnly}
	if page.Next != "" {
		next := q
		next.After = page.Next
		body.Next = h.listURL(next)
	}
	if q.After != "" {
		q.After = ""
		body.First = h.listURL(q)
	}
	return h.pages.Render(w, http.StatusOK, "sessions", view{Title: "Sessions", Here: "sessions", Body: body})
}

// sessionBody is the input of the page of one session.
type sessionBody struct {
	detail
	ReadOnly bool
}

func (h *handler) sessionPage(w http.ResponseWriter, r *http.Request) error {
	d, err := h.detail(r)
	if err != nil {
		return err
	}
	return h.pages.Render(w, http.StatusOK, "session", view{Title: "Session", Here: "sessions", Body: sessionBody{d, h.options.ReadOnly}})
}
