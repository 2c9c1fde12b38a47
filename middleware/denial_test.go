package middleware_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// refused is the answer of a guard to a GET with an Accept header.
func (f *fixture) refused(b *browser, guard func(http.Handler) http.Handler, accept string) *http.Response {
	f.Helper()
	r := b.asks("GET", "/a", false)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	f.m.Handler(guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { f.Error("the guard let it through") }))).ServeHTTP(w, r)
	return w.Result()
}

// browserAccept is what browsers send when they navigate.
const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestDenyAnswersInTheFormThatTheClientAccepts(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	const page, problem, text = "page", "application/problem+json", "text/plain; charset=utf-8"
	for accept, want := range map[string]string{
		browserAccept:                             page,
		"TEXT/HTML":                               page,
		"text/html, application/json":             page,
		"application/json;q=0.9, text/html":       page,
		"application/json":                        problem,
		"application/json, text/plain, */*":       problem,
		"Application/JSON; charset=utf-8; Q=0.5":  problem,
		"application/problem+json":                problem,
		"application/json, text/html;q=0.9":       problem,
		"text/html;q=0, application/vnd.api+json": problem,
		"":              text,
		"*/*":           text,
		"text/html;q=0": text,
		"text/html;q=x, application/json;level=1;q=": text,
		"application/json;q=0":                       text,
		"application/json;q=2, text/csv":             text,
		"text/plain, application/xml":                text,
		"not-text/html, text/htmlx, image/svg+json":  text,
	} {
		resp := f.refused(f.browser(), middleware.RequireUser("/login"), accept)
		got := resp.Header.Get("Content-Type")
		if resp.StatusCode == http.StatusSeeOther {
			got = page
		}
		if got != want || strings.Join(resp.Header.Values("Vary"), ", ") != "Cookie, Accept" && strings.Join(resp.Header.Values("Vary"), ", ") != "Accept, Cookie" {
			t.Errorf("%q: %s, want %s; Vary %q", accept, got, want, resp.Header.Values("Vary"))
		}
	}
}

func TestDenyWritesProblemDetails(t *testing.T) { // RFC 9457
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
		anybody, guest, user := f.browser(), f.browser(), f.login("alice")
		guest.do(set(f, "cart", 1))
		wait(time.Minute)
		nobody := func(sessile.Session) bool { return false }
		for name, c := range map[string]struct {
			b      *browser
			guard  func(http.Handler) http.Handler
			status int
			reason middleware.Reason
		}{
			"RequireUser":                 {anybody, middleware.RequireUser("/login"), 401, middleware.DeniedNoUser},
			"RequireUser, guest":          {guest, middleware.RequireUser("/login"), 401, middleware.DeniedNoUser},
			"RequireFresh":                {user, middleware.RequireFresh(time.Minute, "/login"), 403, middleware.DeniedNotFresh},
			"RequireGuest":                {user, middleware.RequireGuest("/"), 403, middleware.DeniedUser},
			"Require, without a session":  {anybody, middleware.Require(nobody, "/login"), 401, middleware.DeniedNoUser},
			"Require, guest":              {guest, middleware.Require(nobody, "/login"), 401, middleware.DeniedNoUser},
			"Require, user":               {user, middleware.Require(nobody, "/login"), 403, middleware.DeniedUnfit},
			"Verify, without any session": {anybody, middleware.Verify("/login"), 401, middleware.DeniedNoUser},
		} {
			resp := f.refused(c.b, c.guard, "application/json")
			var body struct {
				Title  string
				Status int
				Reason middleware.Reason
			}
			f.must(json.NewDecoder(resp.Body).Decode(&body))
			if resp.StatusCode != c.status || body.Status != c.status || body.Reason != c.reason || body.Title != http.StatusText(c.status) {
				t.Errorf("%s: %d, %+v", name, resp.StatusCode, body)
			}
			f.want(resp.Header.Get("X-Content-Type-Options"), "nosniff")
		}
	})
}

func TestOnDeniedAnswersInsteadOfTheGuards(t *testing.T) {
	var last middleware.Denial
	f := setUp(t, sessile.Config{}, middleware.Options{Bearer: true, OnDenied: func(w http.ResponseWriter, r *http.Request, d middleware.Denial) {
		if last = d; r.Header.Get("Accept") == browserAccept {
			middleware.Deny(w, r, d)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}})
	anybody, user := f.browser(), f.login("alice")
	for _, c := range []struct {
		b     *browser
		guard func(http.Handler) http.Handler
		want  middleware.Denial
	}{
		{anybody, middleware.RequireUser("/login"), middleware.Denial{Reason: middleware.DeniedNoUser, Status: 401, Page: "/login?next=%2Fa"}},
		{anybody, middleware.RequireUser(""), middleware.Denial{Reason: middleware.DeniedNoUser, Status: 401}},
		{user, middleware.RequireFresh(0, "/confirm"), middleware.Denial{Reason: middleware.DeniedNotFresh, Status: 403, Page: "/confirm?next=%2Fa"}},
		{user, middleware.RequireGuest("/home"), middleware.Denial{Reason: middleware.DeniedUser, Status: 403, Page: "/home"}},
		{user, middleware.Require(sessile.Session.IsGuest, "/login"), middleware.Denial{Reason: middleware.DeniedUnfit, Status: 403}},
		{anybody, middleware.Verify("/login"), middleware.Denial{Reason: middleware.DeniedNoUser, Status: 401, Page: "/login?next=%2Fa"}},
	} {
		resp := f.refused(c.b, c.guard, "*/*")
		f.want(resp.StatusCode, http.StatusTeapot)
		f.want(last, c.want)
		f.want(resp.Header.Get("WWW-Authenticate") == "Bearer", c.want.Status == 401)
		resp = f.refused(c.b, c.guard, browserAccept)
		f.want(resp.Header.Get("Location"), c.want.Page)
	}
}

func TestRequireAllowsWhatThePredicateAccepts(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	admin := middleware.Require(func(s sessile.Session) bool {
		role, _, err := sessile.Get[string](s, "role")
		return err == nil && role == "admin"
	}, "/login")
	alice, bob, guest := f.login("alice"), f.login("bob"), f.browser()
	alice.do(set(f, "role", "admin"))
	bob.do(set(f, "role", 7))
	guest.do(set(f, "role", "admin")) // the predicate may accept guests
	for name, c := range map[string]struct {
		b      *browser
		status int
		to     string
	}{
		"alice": {alice, http.StatusTeapot, ""}, "bob": {bob, http.StatusForbidden, ""}, "a guest": {guest, http.StatusTeapot, ""},
		"nobody": {f.browser(), http.StatusSeeOther, "/login?next=%2Fa"},
	} {
		status, to := f.guarded(admin, c.b.asks("GET", "/a", true))
		if status != c.status || to != c.to {
			t.Errorf("%s: %d %q", name, status, to)
		}
	}
}

func TestRequireGuestRedirectsEveryRequestButJSON(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	user := f.login("alice")
	status, to := f.guarded(middleware.RequireGuest("/home"), user.asks("POST", "/login", false))
	f.want(status, http.StatusSeeOther)
	f.want(to, "/home")
	f.want(f.refused(user, middleware.RequireGuest("/home"), "application/json").StatusCode, http.StatusForbidden)
}
