package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"text/template"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// Printing a request's context or handle, or a value that contains one, prints no token, data or
// fingerprint (S49, A12).
func TestRedactHidesSecretsInAContext(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.browser()
	b.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")
	b.login("alice")
	b.do(set(f, "key", "secret-data"))
	type holder struct {
		ctx    context.Context
		handle *middleware.Handle
	}
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		token, _ := h.Token()
		s, _ := h.Current()
		secrets := []string{token.Reveal(), "secret-data"}
		for _, v := range []any{h, r.Context()} {
			if out := fmt.Sprintf("%+v %u", v, v); strings.Contains(out, s.Fingerprint()) {
				t.Errorf("%T shows %s", v, out)
			}
		}
		ctx := context.WithValue(r.Context(), holder{}, "x")
		page := template.Must(template.New("").Parse(`{{.}} {{print .}} {{html .}} {{js .}}`))
		htmlPage := htmltemplate.Must(htmltemplate.New("").Parse(`{{.}} {{print .}} <a title="{{.}}"></a>`))
		for _, v := range []any{h, f.m, f.store, r.Context()} {
			var out strings.Builder
			err := errors.Join(page.Execute(&out, v), htmlPage.Execute(&out, v))
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
			for _, secret := range append(secrets, s.Fingerprint()) {
				if err != nil || strings.Contains(out.String(), secret) {
					t.Errorf("a template or a logger shows %T: %s, %v", v, &out, err)
				}
			}
		}
		for _, v := range []any{h, r.Context(), ctx, holder{r.Context(), h}, &holder{ctx, h}, fmt.Errorf("%v, %w", h, context.Canceled)} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%u"} {
				out := fmt.Sprintf(verb, v)
				for _, secret := range secrets {
					if strings.Contains(out, secret) || strings.Contains(out, fmt.Sprintf("%x", secret)) {
						t.Errorf("%s of %T shows %s", verb, v, out)
					}
				}
			}
		}
	})
}

// No log shows a login's data.
func TestRedactHidesTheDataOfALogin(t *testing.T) { // S49
	const secret = "secret-data"
	login := middleware.Login{UserID: "alice", Data: map[string]any{"key": secret}}
	const want = `Login(user "alice")`
	for _, v := range []any{login, &login} {
		for c := 'A'; c <= 'z'; c++ {
			if c > 'Z' && c < 'a' || c == 'T' || c == 'p' || c == 'w' {
				continue
			}
			for _, flags := range []string{"", "+", "#", " ", "-200.100"} {
				if out := fmt.Sprintf("%"+flags+string(c), v); out != want {
					t.Errorf("%%%s%c prints %q", flags, c, out)
				}
			}
		}
		for _, out := range []string{fmt.Sprint([]any{v}), fmt.Sprintf("%+v", struct{ V any }{v}), fmt.Errorf("x: %v", v).Error()} {
			if strings.Contains(out, secret) || !strings.Contains(out, want) {
				t.Error(out)
			}
		}
		var b strings.Builder
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(h).With("w", v).Info("x", "v", v, slog.Group("g", "v", v))
		}
		if strings.Contains(b.String(), secret) {
			t.Error(b.String())
		}
	}
	raw, err := json.Marshal([]any{login, &login})
	if err != nil || strings.Contains(string(raw), secret) {
		t.Errorf("%s, %v", raw, err)
	}
}
