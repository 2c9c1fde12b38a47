package middleware

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RequireUser lets only requests with a logged-in user through. Others get 401;
// a browser that asks for a page is led to loginPath, if that is not "", with
// the page it wanted in the parameter "next".
func RequireUser(loginPath string) func(http.Handler) http.Handler {
	return guard(loginPath, http.StatusUnauthorized, (*Handle).IsAuthenticated)
}

// RequireGuest lets only requests without a logged-in user through, for example
// to a login page. Others are led to homePath, or get 403 if that is "".
func RequireGuest(homePath string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case !FromRequest(r).IsAuthenticated():
				next.ServeHTTP(w, r)
			case homePath != "":
				http.Redirect(w, r, homePath, http.StatusSeeOther)
			default:
				http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			}
		})
	}
}

// RequireFresh lets only requests through whose user proved who they are within
// d: by the login or [Handle.Reauthenticated]. Others are led to loginPath like
// with RequireUser, or get 403. Put RequireUser before it.
func RequireFresh(d time.Duration, loginPath string) func(http.Handler) http.Handler {
	return guard(loginPath, http.StatusForbidden, func(h *Handle) bool {
		s, ok := h.Current()
		return ok && s.UserID != "" && h.m.store.Now().Sub(s.AuthenticatedAt) < d
	})
}

func guard(loginPath string, status int, allowed func(*Handle) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case allowed(FromRequest(r)):
				next.ServeHTTP(w, r)
			case loginPath != "" && wantsPage(r):
				http.Redirect(w, r, loginPath+"?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			default:
				http.Error(w, http.StatusText(status), status)
			}
		})
	}
}

// wantsPage reports whether a browser is navigating.
func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}
