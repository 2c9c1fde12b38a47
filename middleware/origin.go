package middleware

import (
	"net/http"
	"net/url"
)

// RequireSameOrigin lets only requests through that p allows, GET included. p by itself
// lets every GET through, and the handshake of a WebSocket is one: a browser makes it,
// with the user's cookies, for a page of any origin, and the page can then talk in
// the user's name (OWASP ASVS 4.4.2). Put it around WebSockets, and around
// whatever else a GET starts:
//
//	mux.Handle("GET /ws", middleware.RequireSameOrigin(csrf)(socket))
//
// Origins that p trusts, and paths that it exempts for every method, pass. So does a
// request with neither Origin nor Sec-Fetch-Site, which no current browser sends. Others
// get p's answer, by default 403. A nil p trusts the request's own origin alone.
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

// withheld reports whether a browser that has our cookie would have kept it back from
// this request, because another site makes it (RFC 6265bis §5.6.7: SameSite). What
// comes without the cookie is then no visitor's, and a cookie in its response would
// replace one that is good.
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

// crossSite reports whether another site makes the request. Browsers that do not send
// Sec-Fetch-Site do not tell a site from an origin, and the safe answer is yes.
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

// navigates reports whether a request from another site opens a page in a tab, with a safe
// method: SameSite=Lax lets the cookie come with those.
func navigates(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
	default:
		return false
	}
	into := r.Header.Get("Sec-Fetch-Dest")
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && (into == "document" || into == "")
}
