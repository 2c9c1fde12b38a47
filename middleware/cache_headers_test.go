package middleware_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

const forEver = "public, max-age=31536000, immutable"

// asset answers without accessing its session, as a file server does.
func asset(w http.ResponseWriter, r *http.Request, _ *middleware.Handle) {
	w.Header().Set("Cache-Control", forEver)
	w.Header().Set("Etag", `"v1"`)
	http.ServeContent(w, r, "app.js", time.Time{}, strings.NewReader("hello"))
}

// cacheable fails the test unless the response is as its handler left it.
func (f *fixture) cacheable(resp *http.Response) {
	f.Helper()
	f.want(len(resp.Header["Set-Cookie"]), 0)
	f.want(len(resp.Header["Vary"]), 0)
	f.want(resp.Header.Get("Cache-Control"), forEver)
}

func TestCacheHeadersAreLeftAloneWithoutAccessToTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TouchInterval: time.Minute, TTL: time.Hour}, middleware.Options{RotateEvery: 30 * time.Minute})
		b := f.login("alice")
		began, token := b.session().LastActiveAt(), b.cookie
		wait(40 * time.Minute) // an access, a renewal and a rotation are due
		f.cacheable(b.do(asset))
		s, err := f.store.ListForUser(t.Context(), "alice")
		f.must(err)
		f.want(s[0].LastActiveAt().Sub(began), 40*time.Minute) // the access is recorded
		f.want(s[0].RotatedAt().IsZero(), true)

		notModified := b.request()
		notModified.Header.Set("If-None-Match", `"v1"`)
		wait(time.Minute)
		resp := b.serve(notModified, asset)
		f.want(resp.StatusCode, http.StatusNotModified)
		f.cacheable(resp)

		f.want(len(b.do(look).Cookies()), 1) // the rotation waited for this
		f.want(b.cookie != token, true)
	})
}

func TestCacheHeadersAreLeftAloneForAnExpiredSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: time.Minute}, middleware.Options{})
		b := f.login("alice")
		wait(time.Minute)
		f.cacheable(b.do(asset))
		f.want(golden(t, b.do(look)), removedCookie)
	})
}

// No shared cache keeps a response with a cookie, whatever a handler told the caches of a CDN (RFC
// 9213; S25).
func TestCacheHeadersKeepCookiesOutOfSharedCaches(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.browser()
	names := []string{"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"}
	cached := func(w http.ResponseWriter) {
		for _, name := range names {
			w.Header().Set(name, "max-age=600")
		}
		w.Header().Set("Cache-Control", "public")
	}
	resp := b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		cached(w)
		f.must(h.Authenticate(r.Context(), "alice"))
	})
	f.want(resp.Header.Get("Cache-Control"), "no-store")
	for _, name := range names {
		f.want(resp.Header.Get(name), "")
	}
	resp = b.do(func(w http.ResponseWriter, _ *http.Request, _ *middleware.Handle) { cached(w) })
	f.want(resp.Header.Get("Cache-Control"), "public")
	f.want(resp.Header.Get(names[0]), "max-age=600")
}
