package middleware

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RequireUser allows only requests with a logged-in user. Other requests get 401. If loginPath is
// not "", a browser that navigates to a page is redirected to loginPath instead, with the requested
// page in the parameter "next". Read that parameter with [LocalPath].
//
// "next" is the page as the browser requested it, also under http.StripPrefix. loginPath must be
// the full path too. It may have a query and a fragment.
func RequireUser(loginPath string) func(http.Handler) http.Handler {
	return guard(loginPath, http.StatusUnauthorized, (*Handle).IsAuthenticated)
}

// RequireFresh allows only users who authenticated within the last d, by a login or by
// [Handle.Reauthenticate]. Other requests are redirected to loginPath as by [RequireUser], or get
// 403. Put RequireUser before it.
func RequireFresh(d time.Duration, loginPath string) func(http.Handler) http.Handler {
	return guard(loginPath, http.StatusForbidden, func(h *Handle) bool {
		s, ok := h.Current()
		return ok && !s.IsGuest() && h.m.store.Now().Sub(s.AuthenticatedAt()) < d
	})
}

// RequireGuest allows only requests without a logged-in user, for example to a login page. Other
// requests are redirected to homePath, or get 403 if homePath is "".
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

// noMiddleware answers 500: the guard runs outside of the middleware, which is a mistake in the
// routes.
func noMiddleware(w http.ResponseWriter) {
	http.Error(w, ErrNoMiddleware.Error(), http.StatusInternalServerError)
}

// wantsPage reports whether a browser navigates to a page.
func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}

// requested returns the path and query as the client wrote them. r.URL may differ by now, because
// http.StripPrefix changes it.
func requested(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil && u.Host != "" { // absolute form, as sent to a proxy
		return u.RequestURI()
	}
	return r.URL.RequestURI() // no server has parsed this request
}

// withNext adds the parameter next to the query of a path, before its fragment. It replaces a
// "next" that the path already has.
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

// LocalPath returns next if it is a path of this site, and otherwise the second argument. Use it
// for the parameter that [RequireUser] adds. It refuses everything that a browser could take for
// another site, such as "//host" and "/\host" (CWE-601: open redirect).
func LocalPath(next, otherwise string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsFunc(next, unsafeInPath) {
		return otherwise
	}
	if u, err := url.Parse(next); err != nil || u.IsAbs() || u.Host != "" {
		return otherwise
	}
	return next
}

// unsafeInPath reports characters that browsers drop from a URL, or treat as a slash.
func unsafeInPath(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }
