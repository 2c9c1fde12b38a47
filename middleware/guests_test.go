package middleware_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// Eviction takes the guests that were idle for longest, not the oldest. Otherwise a flood of
// visitors who never come back evicts a cart that is in use.
func TestGuestInUseOutlivesAFloodOfNewOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{MaxGuests: 10}, middleware.Options{Guests: true})
		busy, idle := f.browser(), f.browser()
		busy.do(set(f, "cart", 0))
		idle.do(set(f, "cart", 0))
		for n := range 100 {
			f.browser().do(set(f, "cart", n))
			if n%5 == 0 {
				busy.do(set(f, "cart", n))
			}
			wait(time.Second) // it is on disk now
		}
		f.want(valueOf[int](busy, "cart"), 95)
		f.want(idle.session().ID(), sessile.ID{})
		f.want(f.store.Stats().Evicted, uint64(92))
	})
}

func TestGuestSessionBeginsWhenSomethingIsSet(t *testing.T) { // S39
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, GuestTTL: time.Hour})
	b := f.browser()
	for name, do := range map[string]action{
		"a visit":   nothing,
		"a look":    look,
		"a removal": func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.must(h.Delete("k")) },
		"set and removed": func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			f.must(h.Set("k", 1))
			f.must(h.Delete("k"))
		},
		"a save":           func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Save(r.Context())) },
		"a logout":         func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) },
		"a failed handler": func(http.ResponseWriter, *http.Request, *middleware.Handle) {},
	} {
		if got := golden(t, b.do(do)); got != "" {
			t.Errorf("%s sets %q", name, got)
		}
	}
	f.want(f.store.Stats().Created, uint64(0))

	f.want(golden(t, b.do(set(f, "k", 1))), "__Host-session=TOKEN; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax")
	f.want(valueOf[int](b, "k"), 1)
	b.do(set(f, "l", 2)) // the same guest continues
	f.want(f.store.Stats().Created, uint64(1))
	f.want(b.session().IsGuest(), true)
	f.want(b.session().TTL(), time.Hour)
}

func TestGuestsAreBounded(t *testing.T) { // guests have a limit of their own
	f := setUp(t, sessile.Config{MaxGuests: 3, MaxSessionsPerUser: 1}, middleware.Options{Guests: true})
	member := f.login("alice")
	var guests []*browser
	for range 5 {
		b := f.browser()
		b.do(set(f, "k", 1))
		guests = append(guests, b)
	}
	alive := 0
	for _, b := range guests {
		alive += valueOf[int](b, "k")
	}
	f.want(alive, 3)
	f.want(member.user(), "alice")
	list, err := f.store.ListForUser(t.Context(), "alice")
	f.must(err)
	f.want(len(list), 1)
}

func TestGuestSessionMayBeginAfterALogout(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.login("alice")
	b.do(set(f, "private", 1))
	old := b.cookie
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Logout(r.Context()))
		f.must(h.AddFlash("ok", "You are logged out."))
	})
	if b.cookie == old || b.cookie == "" {
		t.Error("the message has no session of its own")
	}
	f.want(b.user(), "")
	f.want(valueOf[int](b, "private"), 0)
	f.want((&browser{f: f, cookie: old}).user(), "")
}

func TestGuestIsNotAUserInListsAndGuards(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.browser()
	b.do(set(f, "k", 1))
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		_, err := h.Devices(r.Context())
		f.wantErr(err, middleware.ErrNoSession)
		_, err = h.LogoutOthers(r.Context())
		f.wantErr(err, middleware.ErrNoSession)
		f.wantErr(h.Revoke(r.Context(), sessile.ID{1}), middleware.ErrNoSession)
		f.want(h.IsAuthenticated(), false)
	})
}

// If a browser would have withheld our cookie from this request, a guest's cookie must not replace
// the user's (scs#223).
func TestGuestDoesNotBeginWhereTheCookieIsHeldBack(t *testing.T) {
	const lax, strict, none = http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode
	for name, c := range map[string]struct {
		fetch
		begins []http.SameSite
	}{
		"own form":              {fetch{"POST", "same-origin", "navigate", "document", "https://example.com"}, []http.SameSite{lax, strict, none}},
		"typed in":              {fetch{"GET", "none", "navigate", "document", ""}, []http.SameSite{lax, strict, none}},
		"a subdomain's form":    {fetch{"POST", "same-site", "navigate", "document", "https://a.example.com"}, []http.SameSite{lax, strict, none}},
		"another site's link":   {fetch{"GET", "cross-site", "navigate", "document", ""}, []http.SameSite{lax, none}},
		"another site's form":   {fetch{"POST", "cross-site", "navigate", "document", "https://evil.example"}, []http.SameSite{none}},
		"another site's frame":  {fetch{"GET", "cross-site", "navigate", "iframe", ""}, []http.SameSite{none}},
		"another site's image":  {fetch{"GET", "cross-site", "no-cors", "image", ""}, []http.SameSite{none}},
		"another site's script": {fetch{"GET", "cross-site", "cors", "empty", "https://evil.example"}, []http.SameSite{none}},
		"old, own form":         {fetch{"POST", "", "", "", "https://example.com"}, []http.SameSite{lax, strict, none}},
		"old, another's form":   {fetch{"POST", "", "", "", "https://evil.example"}, []http.SameSite{none}},
		"old, an opaque origin": {fetch{"POST", "", "", "", "null"}, []http.SameSite{none}},
		"old, a link":           {fetch{"GET", "", "", "", ""}, []http.SameSite{lax, strict, none}},
		"old, another's script": {fetch{"GET", "", "", "", "https://evil.example"}, []http.SameSite{none}},
		"no browser":            {fetch{"POST", "", "", "", ""}, []http.SameSite{lax, strict, none}},
	} {
		for _, site := range []http.SameSite{lax, strict, none} {
			f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, Cookie: middleware.Cookie{SameSite: site}})
			var err error
			resp := f.browser().serve(c.put(f.browser().request()), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
				err = h.Set("cart", 1)
			})
			begins := false
			for _, s := range c.begins {
				begins = begins || s == site
			}
			if got := golden(t, resp) != ""; got != begins || (err == nil) != begins {
				t.Errorf("%s, SameSite %d: a guest begins: %v, error %v", name, site, got, err)
			}
			if !begins {
				f.wantErr(err, middleware.ErrNoSession)
			}
		}
	}
}

func TestGuestsEndAfterTheirMaxLifetime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, GuestTTL: time.Hour, GuestMaxLifetime: 2 * time.Hour})
		b := f.browser()
		b.do(set(f, "k", 1))
		for range 3 {
			f.want(valueOf[int](b, "k"), 1)
			wait(39 * time.Minute)
		}
		f.want(valueOf[int](b, "k"), 1)
		wait(4 * time.Minute)
		f.want(valueOf[int](b, "k"), 0)
	})
}
