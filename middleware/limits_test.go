package middleware_test

import (
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// TestOptionsAtTheirBoundsAreAccepted (S13): a browser keeps a cookie of 4096 bytes, its token of 52
// included, with attributes of 1024.
func TestOptionsAtTheirBoundsAreAccepted(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	for name, o := range map[string]middleware.Options{
		"name":                 {Cookie: middleware.Cookie{Name: strings.Repeat("n", 4096-52)}},
		"path":                 {Cookie: middleware.Cookie{Name: "s", Path: "/" + strings.Repeat("p", 1023)}},
		"name like a prefix":   {Insecure: true, Cookie: middleware.Cookie{Name: "__Host"}},
		"all of IPv4, in IPv6": {TrustedProxies: []string{"::ffff:0:0/96"}},
	} {
		if _, err := middleware.New(f.store, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, o := range map[string]middleware.Options{
		"name":            {Cookie: middleware.Cookie{Name: strings.Repeat("n", 4096-51)}},
		"the prefix bare": {Insecure: true, Cookie: middleware.Cookie{Name: "__Host-"}},
	} {
		if _, err := middleware.New(f.store, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
