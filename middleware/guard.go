package middleware

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// RequireUser allows only requests with a logged-in user. Other requests get 401. If loginPath is
// not "", a browser that navigates to a page is redirected to loginPath instead, with the requested
// page in the parameter "next". Read that parameter with [LocalPath]. [Deny] has the details of the
// answer, and Options.OnDenied can replace it.
//
// "next" is the page as the browser requested it, also under http.StripPrefix. loginPath must be
// the full path too. It may have a query and a fragment.
func RequireUser(loginPath string) func(http.Handler) http.Handler {
	return guard(func(h *Handle) *Denial {
		if h.IsAuthenticated() {
			return nil
		}
		return &Denial{Reason: DeniedNoUser, Status: http.StatusUnauthorized, Page: loginPath}
	})
}

// RequireFresh allows only users who authenticated within the last d, by a login or by
// [Handle.Reauthenticate]. Other requests are redirected to loginPath as by [RequireUser], or get
// 403. Put RequireUser before it.
func RequireFresh(d time.Duration, loginPath string) func(http.Handler) http.Handler {
	return guard(func(h *Handle) *Denial {
		s, ok := h.Current()
		if ok && !s.IsGuest() && h.m.store.Now().Sub(s.AuthenticatedAt()) < d {
			return nil
		}
		return &Denial{Reason: DeniedNotFresh, Status: http.StatusForbidden, Page: loginPath}
	})
}

// Require allows only sessions that the predicate accepts, for example those of administrators. The
// predicate may read the data with [sessile.Get]. It must be safe for concurrent use.
//
// A user whom it does not accept gets 403. A guest whom it does not accept, and a request without a
// session, get 401, or are redirected to loginPath as by [RequireUser].
func Require(allowed func(sessile.Session) bool, loginPath string) func(http.Handler) http.Handler {
	return guard(func(h *Handle) *Denial {
		switch s, ok := h.Current(); {
		case ok && allowed(s):
			return nil
		case s.IsGuest():
			return &Denial{Reason: DeniedNoUser, Status: http.StatusUnauthorized, Page: loginPath}
		default:
			return &Denial{Reason: DeniedUnfit, Status: http.StatusForbidden}
		}
	})
}

// RequireGuest allows only requests without a logged-in user, for example to a login page. Other
// requests are redirected to homePath, or get 403 if homePath is "" or they prefer JSON.
func RequireGuest(homePath string) func(http.Handler) http.Handler {
	return guard(func(h *Handle) *Denial {
		if !h.IsAuthenticated() {
			return nil
		}
		return &Denial{Reason: DeniedUser, Status: http.StatusForbidden, Page: homePath}
	})
}

// guard refuses the requests for which refuse returns a Denial.
func guard(refuse func(*Handle) *Denial) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := FromRequest(r)
			if h.m == nil {
				noMiddleware(w)
				return
			}
			d := refuse(h)
			if d == nil {
				next.ServeHTTP(w, r)
				return
			}
			if d.Page != "" && d.Reason != DeniedUser {
				d.Page = withNext(d.Page, requested(r))
			}
			h.deny(w, r, *d)
		})
	}
}

// noMiddleware answers 500: the guard runs outside of the middleware, which is a mistake in the
// routes.
func noMiddleware(w http.ResponseWriter) {
	http.Error(w, ErrNoMiddleware.Error(), http.StatusInternalServerError)
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
