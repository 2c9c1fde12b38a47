package middleware_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestSetAcceptsDataToTheLastByte(t *testing.T) { // S45: what Set accepts, the commit does not refuse
	const most = 200
	f := setUp(t, sessile.Config{MaxDataBytes: most}, middleware.Options{Guests: true})
	for _, key := range []string{"k", `"quoted\"`, "\x00\x01\x7f", "é\u2028\ufffd", "<&>", "\t\n"} {
		for what, prepare := range map[string]action{
			"empty": nothing, "with a key": set(f, "a", 1), "of several keys": func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
				f.must(h.Set(`"`, 1))
				f.must(h.Set("b", 2))
			},
		} {
			for who, b := range map[string]*browser{"member": f.login("alice"), "visitor": f.browser()} {
				t.Run(fmt.Sprintf("%q %s %s", key, who, what), func(t *testing.T) {
					b.do(prepare)
					fillUp(t, b, key)
					if n := b.session().Data().Len(); n != most {
						t.Errorf("%d bytes of %d", n, most)
					}
				})
			}
		}
	}
}

// fillUp sets a key to the longest text that Set accepts, beside another that changes in the same request.
func fillUp(t *testing.T, b *browser, key string) {
	t.Helper()
	resp := b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		b.f.must(h.Set("beside", 1))
		b.f.must(h.Delete("a"))
		for n := 200; h.Set(key, strings.Repeat("x", n)) != nil; n-- {
			if n == 0 {
				t.Fatal("nothing fits")
			}
		}
	})
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
}
