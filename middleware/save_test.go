package middleware_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// contended is a store on one of two nodes. While another node is quick, it changes a session
// before every write of this one.
type contended struct {
	*fixture
	quick atomic.Bool
}

func setUpContended(t *testing.T) *contended {
	t.Helper()
	c := &contended{fixture: &fixture{T: t}}
	nodes := persisttest.NewShared(2)
	c.disk = persisttest.Hook(nodes[0], persisttest.Hooks{Before: func(x *persisttest.Call) {
		if x.Method == persisttest.Apply && len(x.Batch.Writes) > 0 && c.quick.Load() {
			c.overtake(nodes[1], x.Batch.Writes[0].Ref)
		}
	}})
	var err error
	c.store, err = sessile.New(c.disk, sessile.Config{})
	c.must(err)
	t.Cleanup(func() { c.must(c.store.Close()) })
	for c.store.Health().State != sessile.HealthOK { // until the lease begins
		c.must(c.store.Sync(t.Context()))
	}
	c.m, err = middleware.New(c.store, middleware.Options{})
	c.must(err)
	return c
}

// overtake is a commit of the other node.
func (c *contended) overtake(other *persisttest.Memory, ref persist.Ref) {
	r, err := other.ByID(context.Background(), ref.ID)
	c.must(err)
	_, err = other.Apply(context.Background(), &persist.Batch{Writes: []persist.Write{{
		Ref: ref, If: r.Version, Next: r.Version + 1, Data: func() []byte { return r.Data },
		LastActive: r.LastActive, ExpiresAt: r.ExpiresAt,
	}}})
	c.must(err)
}

// conflict makes a handler's Save fail, and then the other node is quick no longer.
func (c *contended) conflict(r *http.Request, h *middleware.Handle) {
	c.Helper()
	c.quick.Store(true)
	c.wantErr(h.Save(r.Context()), sessile.ErrConflict)
	c.quick.Store(false)
}

func TestSaveThatFailedIsNotSentByTheErrorResponse(t *testing.T) { // else a 409 has been applied
	c := setUpContended(t)
	b := c.login("alice")
	resp := b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		c.must(h.Set("n", 1))
		c.must(h.Set("theme", "dark"))
		c.conflict(r, h)
		v, _, err := middleware.Get[int](h, "n")
		c.must(err)
		c.want(v, 1) // another Save would send it
		c.must(h.Set("theme", "light"))
		c.must(h.AddFlash("error", "not saved"))
		http.Error(w, "conflict", http.StatusConflict)
	})
	c.want(resp.StatusCode, http.StatusConflict)
	c.want(valueOf[int](b, "n"), 0)
	c.want(valueOf[string](b, "theme"), "light") // set again after the failure
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		all, err := h.Flashes()
		c.must(err)
		c.want(len(all), 1)
	})
}

func TestSaveThatFailedCanBeTriedAgain(t *testing.T) {
	for name, again := range map[string]func(ctx context.Context, h *middleware.Handle) error{
		"Save":   func(ctx context.Context, h *middleware.Handle) error { return h.Save(ctx) },
		"Update": func(ctx context.Context, h *middleware.Handle) error { return h.Update(ctx, new(sessile.Changes)) },
		"Set":    func(_ context.Context, h *middleware.Handle) error { return h.Set("n", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			c := setUpContended(t)
			b := c.login("alice")
			b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				c.must(h.Set("n", 1))
				c.conflict(r, h)
				c.must(again(r.Context(), h))
			})
			c.want(valueOf[int](b, "n"), 1)
		})
	}
}

func TestSaveThatFailedBeginsNoGuestSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.browser()
	resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("cart", 1))
		f.fail(persisttest.Apply, persist.ErrUnavailable)
		f.wantErr(h.Save(r.Context()), sessile.ErrUnavailable)
		f.heal()
	})
	f.want(golden(t, resp), "")
	f.want(f.store.Stats().Created, uint64(0))
}

func TestSaveDurableIsOnDiskWhenItReturns(t *testing.T) {
	f := setUp(t, sessile.Config{BatchInterval: time.Hour}, middleware.Options{})
	f.login("alice").do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		s, _ := h.Current()
		onDisk := func(key string) bool {
			row, err := f.disk.ByID(r.Context(), persist.ID(s.ID()))
			f.must(err)
			return strings.Contains(string(row.Data), key)
		}
		f.must(h.Set("draft", 1))
		f.must(h.Save(r.Context()))
		f.want(onDisk("draft"), false)
		f.must(h.Set("role", "admin"))
		f.must(h.SaveDurable(r.Context()))
		f.want(onDisk("role"), true)
	})
}

func TestSaveDurableThatFailsIsAnError(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	f.login("alice").do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("role", "admin"))
		f.fail(persisttest.Apply, persist.ErrUnavailable)
		f.wantErr(h.SaveDurable(r.Context()), sessile.ErrUnavailable)
		f.heal()
	})
}

// The story:
//
//  1. A request arrives with a cookie that opens nothing, and sets something.
//  2. A parallel request of the browser logs in.
//  3. The first one saves. The login wins: no guest session begins, then or later.
func TestSaveAfterALoginOfAnotherRequestDropsTheChanges(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.login("alice")
	f.must(f.store.Destroy(t.Context(), b.session().ID()))
	resp := b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("cart", 1))
		b.login("alice")
		f.wantErr(h.Save(r.Context()), sessile.ErrNotFound)
		_, ok, err := middleware.Get[int](h, "cart")
		f.must(err)
		f.want(ok, false)
	})
	f.want(golden(t, resp), "")
}
