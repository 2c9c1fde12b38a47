package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// issue issues a token in a request of the browser, and returns it with the response.
func (b *browser) issue(l middleware.Login) (sessile.Session, sessile.Token, *http.Response) {
	b.f.Helper()
	var s sessile.Session
	var token sessile.Token
	resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		var err error
		s, token, err = h.Issue(r.Context(), l)
		b.f.must(err)
	})
	return s, token, resp
}

// bearing returns a request with a token in the Authorization header.
func (b *browser) bearing(t sessile.Token) *http.Request {
	r := b.request()
	r.Header.Set("Authorization", "Bearer "+t.Reveal())
	return r
}

// userOf returns the user that the server sees for a request.
func (f *fixture) userOf(r *http.Request) (user string) {
	f.browser().serve(r, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { user, _ = h.UserID() })
	return user
}

func TestIssueSetsNoCookieAndLeavesTheRequestsSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Bearer: true})
	mobile := f.browser()
	mobile.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")
	s, token, resp := mobile.issue(middleware.Login{UserID: "alice", TTL: time.Hour, Data: map[string]any{"scope": "mobile"}})
	f.want(golden(t, resp), "")
	f.want(resp.Header.Get("Cache-Control"), "no-store")
	f.want(s.TTL(), time.Hour)
	f.want(s.DeviceName(), "Firefox on Linux")
	f.want(s.IsAPIToken(), false)
	f.want(f.userOf(f.browser().bearing(token)), "alice")
	cookie := f.browser()
	cookie.cookie = token.Reveal()
	f.want(cookie.user(), "alice") // it is a session like that of a browser

	bob := f.login("bob")
	bob.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("n", 1))
		_, _, err := h.Issue(r.Context(), middleware.Login{UserID: "bob", DeviceName: "Bob's phone"})
		f.must(err)
		user, _ := h.UserID()
		f.want(user, "bob")
	})
	f.want(valueOf[int](bob, "n"), 1)
	f.want(f.alive("bob"), 2)
	f.want(f.sessionsOf("bob")[0].DeviceName() == "Bob's phone" || f.sessionsOf("bob")[1].DeviceName() == "Bob's phone", true)
}

func TestIssueOfAnAPITokenIsForAnotherClient(t *testing.T) {
	f := setUp(t, sessile.Config{MaxSessionsPerUser: 1, MaxAPITokensPerUser: 2}, middleware.Options{Bearer: true, Fingerprint: middleware.FingerprintDestroy})
	b := f.browser()
	b.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")
	b.login("alice")
	s, token, _ := b.issue(middleware.Login{UserID: "alice", APIToken: true, DeviceName: "deployment"})
	f.want(s.Fingerprint()+s.UserAgent()+s.DeviceType(), "")
	f.want(s.IPAddress(), b.session().IPAddress())
	_, second, _ := b.issue(middleware.Login{UserID: "alice", APIToken: true})
	f.want(b.user(), "alice") // neither counts toward the limit of one session
	script := f.browser()
	script.header.Set("User-Agent", "curl/8.0")
	f.want(f.userOf(script.bearing(token)), "alice")

	thief := f.browser() // an API token opens nothing as a cookie
	thief.cookie = token.Reveal()
	f.want(thief.user(), "")
	status, _ := f.guarded(middleware.RequireFresh(time.Hour, ""), script.bearing(token))
	f.want(status, http.StatusForbidden)

	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		_, _, err := h.Issue(r.Context(), middleware.Login{UserID: "alice", APIToken: true})
		f.wantErr(err, sessile.ErrLimitReached)
		devices, err := h.Devices(r.Context())
		f.must(err)
		f.want(len(devices), 3)
		for _, d := range devices {
			f.want(d.APIToken, !d.Current)
			if d.ID == s.ID() {
				f.want(d.DeviceName, "deployment")
			}
		}
		f.must(h.Revoke(r.Context(), s.ID()))
		_, err = h.LogoutOthers(r.Context())
		f.must(err)
	})
	f.want(f.userOf(script.bearing(token))+f.userOf(script.bearing(second)), "")
	f.want(b.user(), "alice")
}

func TestIssueCarriesOverOnlyWhatTheLoginNames(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{CarryOver: []string{"option"}})
	b := f.login("alice")
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("option", 1))
		f.must(h.Set("login", 2))
	})
	s, _, _ := b.issue(middleware.Login{UserID: "alice", CarryOver: []string{"login"}, Data: map[string]any{"own": 3}})
	f.want(string(s.Data().JSON()), `{"login":2,"own":3}`)
	s, _, _ = b.issue(middleware.Login{UserID: "bob", CarryOver: []string{"login"}}) // another user
	f.want(string(s.Data().JSON()), "{}")
}

func TestIssueThatIsNotConfirmedLeavesNothing(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.browser()
	resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		s, token, err := h.Issue(r.Context(), middleware.Login{UserID: "alice", Confirm: func(context.Context) error { return errWrongPassword }})
		f.wantErr(err, errWrongPassword)
		f.want(s.IsZero() && token.IsZero(), true)
	})
	f.want(f.alive("alice"), 0)
	f.want(resp.Header.Get("Cache-Control"), "")
}

func TestIssueWorksAfterTheResponseHasBegun(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	f.browser().do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		w.WriteHeader(http.StatusOK)
		_, _, err := h.Issue(r.Context(), middleware.Login{UserID: "alice"})
		f.must(err)
	})
	f.want(f.alive("alice"), 1)
	_, _, err := new(middleware.Handle).Issue(t.Context(), middleware.Login{UserID: "alice"})
	f.wantErr(err, middleware.ErrNoMiddleware)
}

func TestLoginRefusesAnAPIToken(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		if err := h.Login(r.Context(), middleware.Login{UserID: "bob", APIToken: true}); err == nil || errors.Is(err, sessile.ErrNotFound) {
			t.Error(err)
		}
	})
	f.want(b.user(), "alice")
	f.want(f.alive("bob"), 0)
}

func TestMetaDescribesTheClientOfARequest(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{TrustedProxies: []string{"192.0.2.1"}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil) // from 192.0.2.1
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")
	r.Header.Set("Accept-Language", "de")
	f.want(f.m.Meta(r), sessile.NewMeta("203.0.113.7", r.UserAgent(), "de"))
}

// TestIssueIsRefusedOnceTheSessionHasEnded (S31): a logout everywhere ends what a request that is under
// way would issue after it.
func TestIssueIsRefusedOnceTheSessionHasEnded(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Bearer: true})
	b := f.login("alice")
	b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.want(h.IsAuthenticated(), true)
		_, err := f.store.DestroyAllForUser(r.Context(), "alice")
		f.must(err)
		for range 2 { // also when the handle knows
			_, token, err := h.Issue(r.Context(), middleware.Login{UserID: "alice", APIToken: true})
			f.wantErr(err, sessile.ErrNotFound)
			f.want(token.IsZero(), true)
		}
	})
	f.want(f.alive("alice"), 0)
}
