package admin

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/sessile/sessile"
)

// Bounds of a search: bytes of a filter or cursor, and sessions in a page.
const (
	maxFilter    = 512
	defaultLimit = 50
	maxLimit     = 1000
)

// readQuery reads a search from the URL. The store checks the filters themselves.
func readQuery(u *url.URL) (sessile.Query, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return sessile.Query{}, badRequest("The query of the URL is not encoded correctly.")
	}
	q := sessile.Query{Limit: defaultLimit}
	for name, to := range fields(&q) {
		if *to = values.Get(name); len(*to) > maxFilter {
			return sessile.Query{}, badRequest("The parameter %s is too long: %d bytes (limit %d).", name, len(*to), maxFilter)
		}
	}
	if text := values.Get("limit"); text != "" {
		q.Limit, err = strconv.Atoi(text)
		if err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return sessile.Query{}, badRequest("The parameter limit is not a number between 1 and %d.", maxLimit)
		}
	}
	return q, nil
}

// fields returns the texts of a query by their names in a URL.
func fields(q *sessile.Query) map[string]*string {
	return map[string]*string{"user": &q.UserID, "ip": &q.IPAddress, "device": &q.Device, "after": &q.After}
}

// listURL returns the URL of a page of the list.
func (h *handler) listURL(q sessile.Query) string {
	v := url.Values{}
	for name, text := range fields(&q) {
		if *text != "" {
			v.Set(name, *text)
		}
	}
	if q.Limit != defaultLimit && q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	path := h.options.Prefix + "/sessions"
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// getSessions lists the sessions that match every filter, the newest first.
func (h *handler) getSessions(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r.URL)
	if err != nil {
		return err
	}
	page, err := h.search(r.Context(), q)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page)
}
