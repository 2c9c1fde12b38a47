package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// handshake is that of a WebSocket (RFC 6455 §4.1).
func handshake(t *testing.T, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://app.example/ws", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	return r
}

func TestRequireSameOriginChecksHandshakes(t *testing.T) { // ASVS 4.4.2
	csrf := http.NewCrossOriginProtection()
	if err := csrf.AddTrustedOrigin("https://partner.example"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header []string
		want   int
	}{
		"own":                             {[]string{"Origin: https://app.example"}, http.StatusTeapot},
		"own, and says so":                {[]string{"Origin: https://app.example", "Sec-Fetch-Site: same-origin"}, http.StatusTeapot},
		"another site's":                  {[]string{"Origin: https://evil.example"}, http.StatusForbidden},
		"another site's, and says so":     {[]string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, http.StatusForbidden},
		"another origin of the same site": {[]string{"Origin: http://evil.example", "Sec-Fetch-Site: same-site"}, http.StatusForbidden},
		"another port":                    {[]string{"Origin: https://app.example:8443"}, http.StatusForbidden},
		"a name that begins like ours":    {[]string{"Origin: https://app.example.evil.example"}, http.StatusForbidden},
		"null":                            {[]string{"Origin: null"}, http.StatusForbidden},
		"trusted":                         {[]string{"Origin: https://partner.example", "Sec-Fetch-Site: cross-site"}, http.StatusTeapot},
		"no browser":                      {nil, http.StatusTeapot},
	} {
		t.Run(name, func(t *testing.T) {
			r := handshake(t, c.header...)
			app := http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
				if got != r || got.Method != http.MethodGet {
					t.Error("the handler gets another request")
				}
				w.WriteHeader(http.StatusTeapot)
			})
			w := httptest.NewRecorder()
			csrf.Handler(middleware.RequireSameOrigin(csrf)(app)).ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("%d, not %d", w.Code, c.want)
			}
		})
	}
	w := httptest.NewRecorder()
	middleware.RequireSameOrigin(nil)(http.NotFoundHandler()).ServeHTTP(w, handshake(t, "Origin: https://partner.example"))
	if w.Code != http.StatusForbidden {
		t.Error("nobody is trusted, and somebody passes")
	}
}

// fetch is a request that a browser makes for a page of another site, or of ours.
type fetch struct {
	method, site, mode, dest, origin string
}

func (c fetch) put(r *http.Request) *http.Request {
	r.Method = c.method
	for name, value := range map[string]string{
		"Sec-Fetch-Site": c.site, "Sec-Fetch-Mode": c.mode, "Sec-Fetch-Dest": c.dest, "Origin": c.origin,
	} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

// foreignForm is a form that another site sends.
var foreignForm = fetch{"POST", "cross-site", "navigate", "document", "https://evil.example"}

// A form of another site can lead to a login (OpenID Connect: form_post).
func TestLoginOfAForeignFormSendsItsCookie(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.browser()
	b.take(b.serve(foreignForm.put(b.request()), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Authenticate(r.Context(), "alice"))
		f.must(h.Set("k", 1))
	}))
	f.want(valueOf[int](b, "k"), 1)
}
