package middleware_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// sends is a request of the browser with these cookies of the session's name, in this order.
func (b *browser) sends(values ...string) *http.Request {
	r := b.request()
	r.Header.Del("Cookie")
	for _, v := range values {
		r.Header.Add("Cookie", b.f.m.CookieName()+"="+v)
	}
	return r
}

// planted are tokens that open nothing.
func planted() (values []string) {
	for _, c := range []string{"A", "B", "C"} {
		values = append(values, "AQ"+strings.Repeat(c, 50))
	}
	return values
}

// Four values come, and three are looked at. The fourth may be good.
func TestCookieThatNobodyLookedAtIsKept(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.login("alice")
	resp := b.serve(b.sends(append(planted(), b.cookie)...), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.want(h.IsAuthenticated(), false)
		f.wantErr(h.Set("cart", 1), middleware.ErrNoSession) // nor does a guest's replace it
	})
	f.want(golden(t, resp), "")
	f.want(b.user(), "alice")
}
