package persisttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sessile/sessile/persist"
)

func readContract() []contract {
	return []contract{
		{"of an unknown session is not found and creates nothing", func(f *fixture) { // A3, A9, S6
			for range 20 {
				f.gone(f.record("ann"))
			}
			if n := len(f.list("ann")) + len(f.list("")); n != 0 {
				f.Fatalf("%d sessions", n)
			}
		}},
		{"finds a session by a hash, whatever its tag", func(f *fixture) {
			r := f.create(f.record("ann"))
			for _, tag := range []uint16{0, 1, 0xffff} {
				if _, err := f.b.ByHash(context.Background(), persist.TokenKey{Tag: tag, Hash: r.Hash}); err != nil && f.b.Traits().Exclusive {
					f.Fatalf("ByHash with tag %d: %v", tag, err)
				}
			}
		}},
		{"distinguishes hashes with a common prefix or suffix", func(f *fixture) { // A7
			r := f.create(f.record("ann"))
			for _, i := range []int{0, 15, 31} {
				h := r.Hash
				h[i] ^= 1
				f.noHash(h)
			}
			f.noHash(persist.Hash{})
		}},
		{"lists a user's sessions, expired ones included", func(f *fixture) { // S36
			a, old := f.create(f.record("ann")), f.record("ann")
			old.ExpiresAt = now - hour
			f.create(old)
			f.create(f.record("bob"))
			f.create(f.record("Ann"))
			got := map[persist.ID]persist.Record{}
			for _, r := range f.list("ann") {
				got[r.ID] = r
			}
			if len(got) != 2 {
				f.Fatalf("%d sessions", len(got))
			}
			f.same(got[a.ID], *a)
			f.same(got[old.ID], *old)
		}},
		{"lists no guests", func(f *fixture) { // S39
			f.create(f.record(""))
			if n := len(f.list("")); n != 0 {
				f.Fatalf("%d sessions", n)
			}
		}},
		{"returns a copy", func(f *fixture) { // A26, S43
			r := f.create(f.record("ann"))
			a := f.byHash(r.Hash)
			a.Data[0] = 'X'
			a.UserID = "eve"
			f.stored(r)
			r.Data[0] = 'Y'
			if got := f.byHash(r.Hash).Data[0]; got != '{' {
				f.Fatalf("the caller's own bytes were stored: %c", got)
			}
		}},
		{"ends with its context", func(f *fixture) { // I9
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			r := f.create(f.record("ann"))
			_, err1 := f.b.ByHash(ctx, persist.TokenKey{Hash: r.Hash})
			_, err2 := f.b.ByID(ctx, r.ID)
			_, err3 := f.b.ByUser(ctx, persist.UserKey{ID: "ann"})
			_, _, err4 := f.b.Expired(ctx, now, 0, 1)
			_, err5 := f.b.Search(ctx, persist.Query{Limit: 1})
			_, err6 := f.b.Count(ctx)
			for i, err := range []error{err1, err2, err3, err4, err5, err6} {
				if !errors.Is(err, context.Canceled) {
					f.Errorf("read %d: %v", i+1, err)
				}
			}
			f.stored(r) // and the backend still works
		}},
		{"sees what Apply has returned, from every goroutine", func(f *fixture) { // S30
			readWhileApplying(f)
		}},
		{"reports no foreign writes if there were none", func(f *fixture) { // D27
			f.create(f.record("ann"))
			if i, ok := f.b.(persist.Inspector); ok {
				if i := i.Inspect(); i.Failed != nil || i.Warning != "" {
					f.Errorf("failed: %v, warning: %q", i.Failed, i.Warning)
				}
			}
			if l, ok := f.b.(persist.Looker); ok && l.Look(alarmed{f}) {
				f.Error("Look asks for another call")
			}
		}},
		{"watch ends with its context", func(f *fixture) {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				_ = f.b.Watch(ctx, quiet{})
				close(done)
			}()
			cancel()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				f.Fatal("Watch continues after its context ended")
			}
		}},
	}
}

// quiet is a sink that ignores everything.
type quiet struct{}

func (quiet) Reset(string)               {}
func (quiet) Invalidate([]persist.Event) {}
func (quiet) Now() persist.Instant       { return 0 }
func (quiet) Fresh(persist.Instant)      {}

// alarmed is a sink that fails the test when it is called.
type alarmed struct{ f *fixture }

func (a alarmed) Reset(reason string)      { a.f.Errorf("Reset: %s", reason) }
func (alarmed) Invalidate([]persist.Event) {}
func (alarmed) Now() persist.Instant       { return 0 }
func (alarmed) Fresh(persist.Instant)      {}

// readWhileApplying rotates, destroys and creates sessions under concurrent readers. No reader may
// see half a session, or a session under a hash that is not its own.
func readWhileApplying(f *fixture) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := f.create(f.record("ann"))
	var mu sync.Mutex
	known := []persist.Hash{r.Hash}
	errs := make(chan error, 4)
	var all sync.WaitGroup
	for range cap(errs) {
		all.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				h := known[len(known)-1]
				mu.Unlock()
				if err := readOnce(ctx, f.b, h); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	for i := range 50 {
		op := rotateOp(r, f.newHash())
		op.Until = persist.Unseen
		f.is(f.op(op), persist.StatusApplied)
		r.Hash = op.To
		mu.Lock()
		known = append(known, op.To)
		mu.Unlock()
		other := f.create(f.record("ann"))
		f.is(f.op(destroyOp(other.ID)), persist.StatusApplied)
		f.gone(other)
		if i > 0 {
			f.noHash(known[i-1])
		}
	}
	cancel()
	all.Wait()
	close(errs)
	for err := range errs {
		f.Error(err)
	}
}

func readOnce(ctx context.Context, b persist.Backend, h persist.Hash) error {
	r, err := b.ByHash(ctx, persist.TokenKey{Hash: h})
	switch {
	case ctx.Err() != nil, errors.Is(err, persist.ErrNotFound): // rotated twice meanwhile
	case err != nil:
		return fmt.Errorf("ByHash: %w", err)
	case r.Hash != h && (r.Rotation == nil || r.Previous != h):
		return errors.New("ByHash returned a session of another hash")
	}
	l, err := b.ByUser(ctx, persist.UserKey{ID: "ann"})
	if ctx.Err() == nil && (err != nil || l.Unreadable != 0 || len(l.Records) == 0 || len(l.Records) > 2) {
		return fmt.Errorf("ByUser returned %d sessions, %d unreadable: %w", len(l.Records), l.Unreadable, err)
	}
	return nil
}
