package lin

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// stale answers reads from what it has seen before, so that a logout has no effect on them.
type stale struct {
	*sessile.Store
	mu   sync.Mutex
	seen map[string]sessile.Session
}

func (s *stale) ReadByToken(ctx context.Context, t sessile.Token) (sessile.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.seen[t.Reveal()]; ok {
		return x, nil
	}
	x, err := s.Store.ReadByToken(ctx, t)
	if err == nil {
		s.seen[t.Reveal()] = x
	}
	return x, err
}

// forgetful sometimes acknowledges an update without making it.
type forgetful struct {
	*sessile.Store
	mu sync.Mutex
	n  int
}

func (s *forgetful) UpdateDurable(ctx context.Context, id sessile.ID, c *sessile.Changes) (sessile.Session, error) {
	s.mu.Lock()
	s.n++
	skip := s.n%5 == 0
	s.mu.Unlock()
	if skip {
		return s.Read(ctx, id)
	}
	return s.Store.UpdateDurable(ctx, id, c)
}

// lenient gives every rotation a grace.
type lenient struct{ *sessile.Store }

func (s lenient) RotateToken(ctx context.Context, id sessile.ID) (sessile.Token, error) {
	_, t, err := s.Rotate(ctx, id, sessile.Rotation{Grace: true})
	return t, err
}

// additive does not end the session that a login replaces.
type additive struct{ *sessile.Store }

func (s additive) CreateWith(ctx context.Context, n sessile.NewSession) (sessile.Session, sessile.Token, error) {
	n.Replaces = sessile.ID{}
	return s.Store.CreateWith(ctx, n)
}

// TestCallsNoticeImpossibleHistories is the negative control.
func TestCallsNoticeImpossibleHistories(t *testing.T) {
	for name, broken := range map[string]func(*sessile.Store) store{
		"stale reads":               func(s *sessile.Store) store { return &stale{Store: s, seen: make(map[string]sessile.Session)} },
		"lost updates":              func(s *sessile.Store) store { return &forgetful{Store: s} },
		"tokens live on":            func(s *sessile.Store) store { return lenient{s} },
		"replaced sessions live on": func(s *sessile.Store) store { return additive{s} },
	} {
		t.Run(name, func(t *testing.T) {
			const tries = 20
			noticed := 0
			for i := range uint64(tries) {
				if !run(t, 1+i, broken) {
					noticed++
				}
			}
			t.Logf("noticed in %d of %d histories", noticed, tries)
			if noticed == 0 {
				t.Error("not noticed")
			}
		})
	}
}

// blind has writes ignore the version.
func blind(b persist.Backend) persist.Backend {
	return persisttest.Hook(b, persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
		own := *c.Batch
		own.Writes = slices.Clone(own.Writes)
		for i, w := range own.Writes {
			if r, err := b.ByID(c.Ctx, w.Ref.ID); err == nil {
				own.Writes[i].If = r.Version
			}
		}
		c.Batch = &own
	})})
}

// TestCallsNoticeImpossibleHistoriesOfTwoNodes is the negative control of several nodes.
func TestCallsNoticeImpossibleHistoriesOfTwoNodes(t *testing.T) {
	for name, c := range map[string]struct {
		hasty  bool
		broken func(persist.Backend) persist.Backend
	}{
		"barriers that do not wait":      {hasty: true},
		"writes that ignore the version": {broken: blind},
	} {
		t.Run(name, func(t *testing.T) {
			const tries = 200
			for i := range uint64(tries) {
				if !runNodes(t, 1+i, c.hasty, c.broken) {
					t.Logf("noticed in history %d", i+1)
					return
				}
			}
			t.Errorf("not noticed in %d histories", tries)
		})
	}
}
