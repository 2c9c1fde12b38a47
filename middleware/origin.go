package middleware

import (
	"net/http"
	"net/url"
)

// RequireSameOrigin allows only requests that p allows, and checks GET requests too. Wrap WebSocket
// handlers in it, and every other GET that starts an action:
//
//	mux.Handle("GET /ws", middleware.RequireSameOrigin(csrf)(socket))
//
// p alone allows every GET, and a WebSocket handshake is one. A browser sends it, with the user's
// cookies, for a page of any origin. The page could then act in the user's name (OWASP ASVS 4.4.2).
//
// Origins that p trusts, and paths that it exempts for every method, are allowed. So is a request
// with neither Origin nor Sec-Fetch-Site, which no current browser sends. Other requests get the
// response of p, by default 403. A nil p trusts only the request's own origin.
func RequireSameOrigin(p *http.CrossOriginProtection) func(http.Handler) http.Handler {
	if p == nil {
		p = http.NewCrossOriginProtection()
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			unsafe := *r
			unsafe.Method = http.MethodPost
			pass := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { next.ServeHTTP(w, r) })
			p.Handler(pass).ServeHTTP(w, &unsafe)
		})
	}
}

// withheld reports whether a browser would withhold our cookie from this request, because another
// site makes it (RFC 6265bis §5.6.7: SameSite). A missing cookie then does not mean a new visitor,
// and a cookie in the response could overwrite a valid one.
func (p *cookiePolicy) withheld(r *http.Request) bool {
	switch site := p.base.SameSite; {
	case site == http.SameSiteNoneMode || !crossSite(r):
		return false
	case site == http.SameSiteStrictMode:
		return true
	default:
		return !navigates(r)
	}
}

// crossSite reports whether another site makes the request. A browser without Sec-Fetch-Site does
// not distinguish site and origin. Then another origin counts as another site, which is the safe
// answer.
func crossSite(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "cross-site"
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// navigates reports whether a request opens a page in a tab with a safe method. SameSite=Lax sends
// the cookie with such requests.
func navigates(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
	default:
		return false
	}
	into := r.Header.Get("Sec-Fetch-Dest")
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && (into == "document" || into == "")
}
