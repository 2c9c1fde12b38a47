package middleware

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/sessile/sessile"
)

// Reason says why a guard refused a request. Clients see it in the "reason" member of the answer.
type Reason string

// The reasons.
const (
	DeniedNoUser   Reason = "login_required"        // no logged-in user, or no session: RequireUser, Require, Verify
	DeniedNotFresh Reason = "recent_login_required" // the last authentication is too old: RequireFresh
	DeniedUser     Reason = "already_logged_in"     // a logged-in user: RequireGuest
	DeniedUnfit    Reason = "forbidden"             // the user is logged in, and the predicate of Require is false
)

// Denial is the refusal of a request by a guard. Options.OnDenied can answer it, and [Deny] is the
// default answer.
type Denial struct {
	Reason Reason
	Status int // 401 or 403
	// Page is where Deny redirects a browser, with the parameter "next". It is "" if the guard has no
	// such page.
	Page string
	// Ended is why the session of a request without a user has ended, as [Handle.Ended] returns it. The
	// login page cannot ask, because the redirect removes the cookie. With Options.Guests, OnDenied can
	// leave it there with [Handle.AddFlash] before it calls Deny.
	Ended sessile.EndReason
}

// Deny answers a refused request in the form that its Accept header asks for:
//
//   - A browser that navigates to a page is redirected to Denial.Page. After DeniedUser every request
//     is, except for JSON.
//   - A client that prefers JSON to HTML gets problem details (RFC 9457), with the reason in the member
//     "reason", and Denial.Ended in the member "ended".
//   - Others get the status as text.
func Deny(w http.ResponseWriter, r *http.Request, d Denial) {
	addVary(w.Header(), "Accept")
	asJSON := prefersJSON(r)
	switch {
	case !asJSON && d.Page != "" && (d.Reason == DeniedUser || wantsPage(r)):
		http.Redirect(w, r, d.Page, http.StatusSeeOther)
	case asJSON:
		d.problem(w)
	default:
		http.Error(w, http.StatusText(d.Status), d.Status)
	}
}

// problem writes problem details.
func (d Denial) problem(w http.ResponseWriter) {
	body, _ := json.Marshal(struct { //nolint:errchkjson // strings and a number always encode
		Title  string `json:"title"`
		Status int    `json:"status"`
		Reason Reason `json:"reason"`
		Ended  string `json:"ended,omitempty"`
	}{http.StatusText(d.Status), d.Status, d.Reason, string(d.Ended)})
	header := w.Header()
	header.Del("Content-Length")
	header.Set("Content-Type", "application/problem+json")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(d.Status)
	_, _ = w.Write(append(body, '\n'))
}

// deny answers a request that a guard refuses.
func (h *Handle) deny(w http.ResponseWriter, r *http.Request, d Denial) {
	if d.Status == http.StatusUnauthorized && h.m.opts.Bearer {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 §15.5.2
	}
	if d.Reason == DeniedNoUser {
		d.Ended = h.Ended()
	}
	h.m.opts.OnDenied(w, r, d)
}

// wantsPage reports whether a browser navigates to a page.
func wantsPage(r *http.Request) bool {
	html, _ := accepted(r.Header)
	return html > 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// prefersJSON reports whether a client names JSON in Accept, and prefers it to HTML.
func prefersJSON(r *http.Request) bool {
	html, object := accepted(r.Header)
	return object > html
}

// accepted returns the weights that Accept gives to HTML and to JSON by name (RFC 9110 §12.5.1).
// Wildcards do not count, because most clients send one.
func accepted(header http.Header) (html, object float64) {
	for _, line := range header["Accept"] {
		for item := range strings.SplitSeq(line, ",") {
			kind, parameters, _ := strings.Cut(item, ";")
			switch kind = strings.ToLower(trimSpace(kind)); {
			case kind == "text/html" || kind == "application/xhtml+xml":
				html = max(html, weight(parameters))
			case kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"):
				object = max(object, weight(parameters))
			}
		}
	}
	return html, object
}

// weight returns the parameter q of a media range. It is 1 if there is none, and 0 if it is not a
// number between 0 and 1.
func weight(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(trimSpace(p), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		if q, err := strconv.ParseFloat(value, 64); err == nil && q >= 0 && q <= 1 {
			return q
		}
		return 0
	}
	return 1
}
