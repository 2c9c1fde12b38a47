package sessile_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestDestroyForUserThatGivesUpIsNotErrNotDurable: it gives up while it reads the session, and
// refuses nothing.
func TestDestroyForUserThatGivesUpIsNotErrNotDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{CacheSize: 1})
		x, tok := login(t, s, "u")
		login(t, s, "other") // evicts x from memory
		release := make(chan struct{})
		h.Set(persisttest.Hooks{Before: persisttest.On(persisttest.ByID, func(*persisttest.Call) { <-release })})
		go func() { _, _ = s.Read(context.Background(), x.ID()) }() // leads the load
		synctest.Wait()
		_, exceptErr := s.DestroyAllExcept(within(t), "u", x.ID())
		for _, err := range []error{s.DestroyForUser(within(t), "u", x.ID()), exceptErr} {
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sessile.ErrNotDurable) {
				t.Error(err)
			}
		}
		h.Set(persisttest.Hooks{})
		close(release)
		synctest.Wait()
		if _, err := s.ReadByToken(t.Context(), tok); err != nil {
			t.Errorf("nothing was destroyed: %v", err)
		}
	})
}

// TestDestroyBeforeTheCreateSettlesHolds: the session is committed, and its create has not returned
// yet.
func TestDestroyBeforeTheCreateSettlesHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{})
		settle, commits := make(chan struct{}), 0
		h.Set(persisttest.Hooks{
			Fail: func(c *persisttest.Call) error {
				if c.Method != persisttest.Apply || commits == 0 {
					return nil
				}
				return persist.ErrUnavailable
			},
			After: persisttest.On(persisttest.Apply, func(*persisttest.Call) {
				if commits++; commits == 1 {
					<-settle
				}
			}),
		})
		created := make(chan sessile.Token, 1)
		go func() { _, tok, _ := s.Create(context.Background(), sessile.Meta{}, "u", nil); created <- tok }()
		synctest.Wait()
		list, err := s.ListForUser(t.Context(), "u")
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		err = s.Destroy(within(t), list[0].ID())
		close(settle)
		tok := <-created
		if _, readErr := s.ReadByToken(t.Context(), tok); readErr == nil && !tok.IsZero() {
			t.Errorf("Destroy: %v, and the session opens", err)
		}
	})
}

// TestDestroyThatCannotBeWrittenIsRefusedAndRetried: while the disk fails, the session is refused
// in memory. When the disk recovers, the deletion is written (D9, I1).
func TestDestroyThatCannotBeWrittenIsRefusedAndRetried(t *testing.T) {
	s, g := hookedFile(t, sessile.Config{})
	x, tok := login(t, s, "ann")
	var mu sync.Mutex
	broken := true
	g.Set(failApply(func() error {
		mu.Lock()
		defer mu.Unlock()
		if broken {
			return persist.ErrUnknown
		}
		return nil
	}))
	if err := s.Destroy(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotDurable) {
		t.Fatalf("destroy on a broken disk: %v", err)
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatalf("the session is not refused: %v", err)
	}
	if _, _, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); !errors.Is(err, sessile.ErrUnknown) {
		t.Fatalf("create on a broken disk: %v", err)
	}
	if h := s.Health(); h.State == sessile.HealthOK {
		t.Fatalf("health is %v", h)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := g.ByID(t.Context(), persist.ID(x.ID())); !errors.Is(err, persist.ErrNotFound) {
		t.Fatalf("the deletion was not written: %v", err)
	}
	if h := s.Health(); h.State != sessile.HealthOK {
		t.Fatalf("health is %v: %s", h.State, h.Reason)
	}
}
