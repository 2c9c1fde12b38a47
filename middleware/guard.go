package middleware

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RequireUser lets only requests with a logged-in user through. Others get 401;
// a browser that asks for a page is led to loginPath, if that is not "", with
// the page it wanted in the parameter "next": read that with [LocalPath]. It is the
// page as the browser asked for it, also under http.StripPrefix; loginPath is the
// whole path too, and may have a query and a fragment.
func RequireUser(loginPath string) func(http.Handler) http.Handler {
	return guard(loginPath, http.StatusUnauthorized, (*Handle).IsAuthenticated)
}

// RequireFresh lets only requests through whose user proved who they are less
// than d ago: by the login or [Handle.Reauthenticated]. Others are led to
// loginPath like with [RequireUser], or get 403. Put RequireUser before it.
func RequireFresh(d time.Duration, loginPath string) func(http.Handler) http.Handler {
	return guard(loginPath, http.StatusForbidden, func(h *Handle) bool {
		s, ok := h.Current()
		return ok && !s.IsGuest() && h.m.store.Now().Sub(s.AuthenticatedAt()) < d
	})
}

// RequireGuest lets only requests without a logged-in user through, for example
// to a login page. Others are led to homePath, or get 403 if that is "".
func RequireGuest(homePath string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch h := FromRequest(r); {
			case h.m == nil:
				noMiddleware(w)
			case !h.IsAuthenticated():
				next.ServeHTTP(w, r)
			case homePath != "":
				http.Redirect(w, r, homePath, http.StatusSeeOther)
			default:
				http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			}
		})
	}
}

func guard(loginPath string, status int, allowed func(*Handle) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch h := FromRequest(r); {
			case h.m == nil:
				noMiddleware(w)
			case allowed(h):
				next.ServeHTTP(w, r)
			case loginPath != "" && wantsPage(r):
				http.Redirect(w, r, withNext(loginPath, requested(r)), http.StatusSeeOther)
			default:
				if status == http.StatusUnauthorized && h.m.opts.Bearer {
					w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 §15.5.2
				}
				http.Error(w, http.StatusText(status), status)
			}
		})
	}
}

// noMiddleware answers what a mistake in the routes leads to: nobody gets through.
func noMiddleware(w http.ResponseWriter) {
	http.Error(w, ErrNoMiddleware.Error(), http.StatusInternalServerError)
}

// wantsPage reports whether a browser is navigating.
func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}

// requested is the path and query that the client asked for, as it wrote them.
// r.URL may say something else by now: http.StripPrefix changes it.
func requested(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil && u.Host != "" { // as to a proxy
		return u.RequestURI()
	}
	return r.URL.RequestURI() // a request that no server has read
}

// withNext adds where to go on to the query of a path, in front of its fragment. A
// "next" of the path's own gives way.
func withNext(path, next string) string {
	if LocalPath(next, "") == "" {
		return path
	}
	path, fragment, hasFragment := strings.Cut(path, "#")
	path, query, _ := strings.Cut(path, "?")
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); pair != "" && name != "next" {
			pairs = append(pairs, pair)
		}
	}
	pairs = append(pairs, "next="+url.QueryEscape(next))
	path += "?" + strings.Join(pairs, "&")
	if hasFragment {
		path += "#" + fragment
	}
	return path
}

// LocalPath returns next if it is a path of this site, and otherwise the other
// one. It is for the parameter that [RequireUser] adds: what a browser could take
// for another site ("//host", "/\host") is no path (CWE-601: open redirect).
func LocalPath(next, otherwise string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsFunc(next, unsafeInPath) {
		return otherwise
	}
	if u, err := url.Parse(next); err != nil || u.IsAbs() || u.Host != "" {
		return otherwise
	}
	return next
}

// unsafeInPath reports what browsers drop from a URL, or take for a slash.
func unsafeInPath(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }
