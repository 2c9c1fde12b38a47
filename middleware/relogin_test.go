package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/sessile/sessile/persist/persisttest"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist"
)

func TestReloginEndsNoOtherDevice(t *testing.T) { // spring-security#7117
	for _, on := range []sessile.LimitPolicy{sessile.LimitEvictOldest, sessile.LimitRefuseNew} {
		f := setUp(t, sessile.Config{MaxSessionsPerUser: 3, OnLimit: on}, middleware.Options{})
		a, b, c := f.login("alice"), f.login("alice"), f.login("alice")
		old := c.twin()
		c.login("alice")
		for _, x := range []*browser{a, b, c} {
			f.want(x.user(), "alice")
		}
		f.want(old.user(), "")
		list, err := f.store.ListForUser(t.Context(), "alice")
		f.must(err)
		f.want(len(list), 3)
		f.want(f.count(sessile.EventEvicted), 0)
	}
}

func TestReloginAtALimitOfOneIsAllowed(t *testing.T) {
	f := setUp(t, sessile.Config{MaxSessionsPerUser: 1, OnLimit: sessile.LimitRefuseNew}, middleware.Options{CarryOver: []string{"cart"}})
	b := f.login("alice")
	b.do(set(f, "cart", "full"))
	for range 3 {
		b.login("alice")
	}
	f.want(valueOf[string](b, "cart"), "full")
	other := f.browser()
	other.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.wantErr(h.Authenticate(r.Context(), "alice"), sessile.ErrLimitReached)
	})
	f.want(b.user(), "alice")
}

func TestReloginEndsAnotherUsersSessionOrAGuestsToo(t *testing.T) {
	f := setUp(t, sessile.Config{MaxSessionsPerUser: 1}, middleware.Options{Guests: true})
	alice, bob := f.login("alice"), f.login("bob")
	before := bob.twin()
	bob.login("carol")
	f.want(before.user(), "")
	guest := f.browser()
	guest.do(set(f, "k", 1))
	cart := guest.twin()
	guest.login("dave")
	f.want(valueOf[int](cart, "k"), 0)
	f.want(alice.user(), "alice")
}

// While the login is in flight, the previous session is valid, and no request with its token gets a
// response that removes the new cookie. At every moment one of the two sessions is valid.
func TestReloginLeavesNoMomentWithoutASession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	old := b.twin()
	look := func(c *persisttest.Call) {
		if ops := c.Batch.Ops; len(ops) > 0 && ops[0].Kind == persist.OpCreate {
			f.want(old.user(), "alice")
		}
	}
	f.hook(persisttest.Hooks{Before: persisttest.On(persisttest.Apply, look)})
	b.login("alice")
	f.heal()
	f.want(b.user(), "alice")
	f.want(golden(t, old.serve(old.request(), nothing)), "")
}

func TestReloginThatFailsLeavesTheSessionGood(t *testing.T) {
	for name, err := range map[string]error{"surely not done": persist.ErrUnavailable, "perhaps done, and was not": persist.ErrUnknown} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{MaxSessionsPerUser: 1}, middleware.Options{})
			b := f.login("alice")
			before := b.cookie
			f.fail(persisttest.Apply, err)
			resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.wantErr(h.Authenticate(r.Context(), "alice"), err)
				f.heal()
				f.want(h.IsAuthenticated(), true)
			})
			f.want(golden(t, resp), "")
			f.must(f.store.Sync(t.Context()))
			f.want(b.user(), "alice")
			f.want(b.cookie, before)
		})
	}
}

// TestReloginOfUnknownOutcomeHandsOutNothing: the login is on disk, but nobody has its token.
func TestReloginOfUnknownOutcomeHandsOutNothing(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	f.hook(persisttest.Hooks{After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) { c.Err = persist.ErrUnknown })})
	resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.wantErr(h.Authenticate(r.Context(), "alice"), sessile.ErrUnknown)
		f.heal()
		f.must(h.Set("k", 1))
	})
	f.want(golden(t, resp), "")
	f.must(f.store.Sync(t.Context()))
	list, err := f.store.ListForUser(t.Context(), "alice")
	f.must(err)
	f.want(len(list), 0)
	f.want(b.user(), "")
}

// TestReloginTwiceAtOnceKeepsTheBrowserLoggedIn: whichever response comes last.
func TestReloginTwiceAtOnceKeepsTheBrowserLoggedIn(t *testing.T) {
	f := setUp(t, sessile.Config{MaxSessionsPerUser: 2}, middleware.Options{})
	b := f.login("alice")
	first, second := b.twin(), b.twin()
	login := func(r *http.Request, h *middleware.Handle) error { return h.Authenticate(r.Context(), "alice") }
	resp := first.serve(first.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		second.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(login(r, h)) })
		f.must(login(r, h))
	})
	first.take(resp)
	f.want(first.user(), "alice")
	f.want(second.user(), "alice")
}

func TestReloginWhoseCallerLeavesBeforeItBeginsChangesNothing(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		if err := h.Authenticate(ctx, "alice"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	f.want(b.user(), "alice")
}

// The session that it replaces may belong to a cookie behind another user's, which counts.
func TestReloginBehindAnotherUsersCookieEndsNoOtherDevice(t *testing.T) {
	for _, on := range []sessile.LimitPolicy{sessile.LimitEvictOldest, sessile.LimitRefuseNew} {
		t.Run(string(on), func(t *testing.T) {
			f := setUp(t, sessile.Config{MaxSessionsPerUser: 2, OnLimit: on}, middleware.Options{})
			elsewhere, b, mallory := f.login("alice"), f.login("alice"), f.login("mallory")
			b.take(b.serve(b.sends(mallory.cookie, b.cookie), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Authenticate(r.Context(), "alice"))
			}))
			f.want(b.user(), "alice")
			f.want(elsewhere.user(), "alice")
			f.want(f.alive("alice", "mallory"), 2)
		})
	}
}
