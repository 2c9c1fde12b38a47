package middleware_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// powers are the ways in which a handle can act on more than its own session.
func powers(other sessile.ID) map[string]func(context.Context, *middleware.Handle) error {
	return map[string]func(context.Context, *middleware.Handle) error{
		"Check": func(ctx context.Context, h *middleware.Handle) error { return h.Check(ctx) },
		"Sessions": func(ctx context.Context, h *middleware.Handle) error {
			_, err := h.Devices(ctx)
			return err
		},
		"Revoke": func(ctx context.Context, h *middleware.Handle) error { return h.Revoke(ctx, other) },
		"LogoutAll": func(ctx context.Context, h *middleware.Handle) error {
			_, err := h.LogoutAll(ctx)
			return err
		},
		"LogoutOthers": func(ctx context.Context, h *middleware.Handle) error {
			_, err := h.LogoutOthers(ctx)
			return err
		},
		"Rotate":         func(ctx context.Context, h *middleware.Handle) error { return h.Rotate(ctx) },
		"Reauthenticate": func(ctx context.Context, h *middleware.Handle) error { return h.Reauthenticate(ctx) },
		"Renew":          func(ctx context.Context, h *middleware.Handle) error { return h.Renew(ctx) },
		"Update": func(ctx context.Context, h *middleware.Handle) error {
			return h.Update(ctx, new(sessile.Changes).Set("k", 1))
		},
	}
}

// The story:
//
//  1. A thief's request comes in, and its body comes slowly.
//  2. The owner ends the other sessions.
//  3. The handler acts.
func TestCheckRefusesAnEndedSession(t *testing.T) {
	for name := range powers(sessile.ID{}) {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{})
			thief, owner, third := f.login("alice"), f.login("alice"), f.login("alice")
			resp := thief.serve(thief.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				owner.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					_, err := h.LogoutOthers(r.Context())
					f.must(err)
				})
				third.login("alice") // what begins later is not the thief's to end either
				all := powers(third.session().ID())
				f.wantErr(all[name](r.Context(), h), sessile.ErrNotFound)
				f.want(h.IsAuthenticated(), false)
				for again, act := range all { // nor has it any after that was noticed
					err := act(r.Context(), h)
					f.wantErr(err, sessile.ErrNotFound)
					f.wantErr(err, middleware.ErrNoSession)
					if err == nil {
						t.Errorf("then %s", again)
					}
				}
				f.must(h.Logout(r.Context())) // nothing left to end
			})
			f.want(golden(t, resp), "")
			f.want(owner.user()+third.user(), "alicealice")
		})
	}
}

func TestCheckRefusesAnExpiredSession(t *testing.T) {
	for name, act := range powers(sessile.ID{1}) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := setUp(t, sessile.Config{TTL: time.Hour}, middleware.Options{})
				b := f.login("alice")
				b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					wait(time.Hour - time.Microsecond)
					f.must(h.Check(r.Context()))
					other := f.login("alice")
					wait(time.Microsecond)
					f.wantErr(act(r.Context(), h), sessile.ErrNotFound)
					f.want(other.user(), "alice")
				})
			})
		})
	}
}

// A session whose token was replaced, with or without a grace period, is still active: a websocket
// outlives many tokens.
func TestCheckAsksForTheSessionNotForTheToken(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Check(r.Context()))
		for range 3 {
			b.do(rotate(f))
			f.must(h.Check(r.Context()))
			_, err := h.Devices(r.Context())
			f.must(err)
		}
		f.must(f.store.Destroy(r.Context(), b.session().ID()))
		f.wantErr(h.Check(r.Context()), sessile.ErrNotFound)
	})
}

// Check does not count as an access, and changes nothing else.
func TestCheckChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{})
		b := f.login("alice")
		before := b.session().LastActiveAt()
		wait(time.Minute)
		b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Set("k", 1))
			f.must(h.Check(r.Context()))
			list, err := f.store.ListForUser(r.Context(), "alice")
			f.must(err)
			f.want(list[0].LastActiveAt(), before)
		})
		f.want(valueOf[int](b, "k"), 1)
	})
}
