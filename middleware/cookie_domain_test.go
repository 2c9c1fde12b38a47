package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// tenantOf is the domain of a tenant: example.com for www.example.com.
func tenantOf(r *http.Request) string {
	_, tenant, _ := strings.Cut(r.Host, ".")
	return tenant
}

// tenants are options with a domain for each request.
func tenants(name string) middleware.Options {
	return middleware.Options{Cookie: middleware.Cookie{Name: name, DomainFunc: tenantOf}}
}

// at sends a request for a host.
func (b *browser) at(host string, do action) *http.Response {
	r := b.request()
	r.Host = host
	return b.take(b.serve(r, do))
}

func TestCookieDomainIsThatOfTheRequest(t *testing.T) {
	f := setUp(t, sessile.Config{}, tenants("__Secure-s"))
	for host, domain := range map[string]string{
		"www.one.example": "; Domain=one.example", "app.two.example": "; Domain=two.example", "localhost": "",
	} {
		b := f.browser()
		f.want(golden(t, b.at(host, func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Authenticate(r.Context(), "alice"))
		})), "__Secure-s=TOKEN; Path=/"+domain+"; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax")
		f.want(golden(t, b.at(host, func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Logout(r.Context()))
		})), "__Secure-s=; Path=/"+domain+"; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
		b.cookie = planted()[0]
		f.want(golden(t, b.at(host, look)), "__Secure-s=; Path=/"+domain+"; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
	}
}

func TestCookieDomainThatIsNoneFailsTheRequest(t *testing.T) {
	var last error
	opts := tenants("s")
	opts.Guests = true
	opts.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		last = err
		w.WriteHeader(http.StatusInternalServerError)
	}
	f := setUp(t, sessile.Config{}, opts)
	for _, host := range []string{"www.one.example:443", "www.a b", "www.x;Secure", "www." + strings.Repeat("a", 1100), "www.::1"} {
		for name, do := range map[string]action{
			"login": func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Authenticate(r.Context(), "bob"))
			},
			"set":    set(f, "n", 1),
			"rotate": rotate(f),
			"look":   look,
		} {
			b := f.login("alice")
			r := b.request()
			if name == "login" {
				r = f.browser().request()
			}
			r.Host = host
			last = nil
			resp := b.serve(r, do)
			if resp.StatusCode != http.StatusInternalServerError || !errors.Is(last, sessile.ErrInvalidConfig) || len(last.Error()) > 300 {
				t.Errorf("%s at %s: %d, %v", name, host, resp.StatusCode, last)
			}
			f.want(golden(t, resp), "")
		}
		f.want(f.alive("bob"), 0)
	}
	f.want(f.browser().at("www.one.example:443", nothing).StatusCode, http.StatusOK) // it needs no cookie
	for _, s := range f.sessionsOf("alice") {
		f.want(string(s.Data().JSON()), "{}")
	}
}

func TestCookieDomainIsRefusedWhereThePrefixForbidsIt(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	both := middleware.Options{Cookie: middleware.Cookie{Name: "s", Domain: "example.com", DomainFunc: tenantOf}}
	for fault, opts := range map[string]middleware.Options{
		`name "__Host-session" must not have a Domain`: tenants(""),
		`name "__host-s" must not have a Domain`:       tenants("__host-s"),
		"set either Domain or DomainFunc, not both":    both,
	} {
		_, err := middleware.New(f.store, opts)
		if !errors.Is(err, sessile.ErrInvalidConfig) || !strings.Contains(err.Error(), fault) {
			t.Errorf("%v, not %s", err, fault)
		}
	}
	_, err := middleware.New(f.store, middleware.Options{Insecure: true, Cookie: middleware.Cookie{DomainFunc: tenantOf}})
	f.must(err)
}

// sessionsOf returns the sessions of a user.
func (f *fixture) sessionsOf(user string) []sessile.Session {
	f.Helper()
	list, err := f.store.ListForUser(f.Context(), user)
	f.must(err)
	return list
}

// The old library's cookie has the same name. Its removal would remove the new cookie too, if the
// domain of this request is that of the old cookie.
func TestCookieDomainOfAnAdoptedSessionIsCompared(t *testing.T) {
	opts := tenants("s")
	opts.AdoptCookie = http.Cookie{Name: "s", Path: "/", Domain: "one.example"}
	opts.Adopt = func(*http.Request) (middleware.Login, bool) {
		return middleware.Login{UserID: "alice", Remember: sessile.RememberNo, APIToken: true, Confirm: func(context.Context) error { return nil }}, true
	}
	f := setUp(t, sessile.Config{}, opts)
	for host, want := range map[string]string{
		"www.one.example": "s=TOKEN; Path=/; Domain=one.example; HttpOnly; Secure; SameSite=Lax",
		"www.two.example": "s=; Path=/; Domain=one.example; Max-Age=0, s=TOKEN; Path=/; Domain=two.example; HttpOnly; Secure; SameSite=Lax",
	} {
		r := f.browser().request()
		r.Host = host
		r.Header.Set("Cookie", "s=old "+host)
		resp := f.browser().serve(r, look)
		var got []string
		for _, line := range resp.Header.Values("Set-Cookie") {
			name, rest, _ := strings.Cut(line, "=")
			value, attributes, _ := strings.Cut(rest, ";")
			if value != "" {
				b := f.browser()
				b.cookie, value = value, "TOKEN"
				f.want(b.user(), "alice")
			}
			got = append(got, name+"="+value+";"+attributes)
		}
		f.want(strings.Join(got, ", "), want)
	}
}
