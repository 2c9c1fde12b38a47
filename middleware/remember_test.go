package middleware_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// reopened is the fixture after a restart of the process.
func (f *fixture) reopened(opts middleware.Options) {
	f.Helper()
	cfg := f.store.Config()
	f.must(f.store.Close())
	var err error
	f.store, err = sessile.Open(f.Context(), cfg)
	f.must(err)
	f.m, err = middleware.New(f.store, opts)
	f.must(err)
}

// maxAgeOf returns the Max-Age of the session cookie that a response sets: 0 if it has none, and -1
// if the response sets no cookie.
func (f *fixture) maxAgeOf(resp *http.Response) int {
	for _, c := range resp.Cookies() {
		if c.Name == f.m.CookieName() && c.Value != "" {
			return c.MaxAge
		}
	}
	return -1
}

func TestRememberStaysThroughRenewalRotationAndRestart(t *testing.T) {
	const ttl, day = time.Hour, 24 * time.Hour
	for _, c := range []struct {
		remember sessile.Remember
		option   bool // Cookie.SessionCookie
		persists bool
	}{
		{sessile.RememberDefault, false, true}, {sessile.RememberDefault, true, false},
		{sessile.RememberYes, false, true}, {sessile.RememberYes, true, true},
		{sessile.RememberNo, false, false}, {sessile.RememberNo, true, false},
	} {
		t.Run(fmt.Sprintf("%d, SessionCookie %t", c.remember, c.option), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				opts := middleware.Options{Cookie: middleware.Cookie{SessionCookie: c.option}, RotateEvery: time.Hour}
				f := setUp(t, sessile.Config{TTL: ttl, TouchInterval: time.Minute, MaxLifetime: 90 * day}, opts)
				b := f.browser()
				want := func(resp *http.Response, left time.Duration) {
					t.Helper()
					if age := f.maxAgeOf(resp); c.persists && age != int(left.Seconds()) || !c.persists && age > 0 {
						t.Errorf("Max-Age is %d", age)
					}
				}
				want(b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					f.must(h.Login(r.Context(), middleware.Login{UserID: "alice", Remember: c.remember, TTL: 30 * day, MaxLifetime: 60 * day}))
				}), 30*day)
				wait(2 * time.Minute)
				resp := b.do(look) // a renewal
				f.want(f.maxAgeOf(resp) >= 0, c.persists)
				want(resp, 30*day)
				want(b.do(rotate(f)), 30*day)
				f.reopened(opts)
				want(b.do(rotate(f)), 30*day)
				wait(2 * time.Hour)
				resp = b.do(look) // a periodic rotation
				f.want(f.maxAgeOf(resp) >= 0, true)
				want(resp, 30*day)
				f.want(b.session().TTL(), 30*day)
				f.want(b.session().Remember(), c.remember)
				want(b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { // the next login chooses anew
					f.must(h.Login(r.Context(), middleware.Login{UserID: "alice", Remember: sessile.RememberIf(c.persists)}))
				}), ttl)
			})
		})
	}
}
