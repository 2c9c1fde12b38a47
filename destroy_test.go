package sessile_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestDestroyForUserThatGivesUpIsNotErrNotDurable: it gave up while it read the session, and
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

// TestDestroyBeforeTheCreateSettlesHolds: the session is committed, and its create has not
// returned yet.
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

// TestDestroyThatCannotBeWrittenIsRefusedAndRetried: the disk refuses; the
// session is refused in memory; when the disk is back the deletion is written (D9, I1).
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

func TestDestroyIsFinalAndIdempotent(t *testing.T) { // A1, A21, S30
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.alive(tok)
		f.must(f.s().Destroy(f.Context(), s.ID()))
		f.dead(tok)
		f.must(f.s().Destroy(f.Context(), s.ID()))
		f.must(f.s().Destroy(f.Context(), sessile.ID{9}))
		_, err := f.s().Read(f.Context(), s.ID())
		f.wantErr(err, sessile.ErrNotFound)
	})
}

func TestDestroyForUserRefusesForeignSessions(t *testing.T) { // A15, S34
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		foreign := f.s().DestroyForUser(f.Context(), "bob", s.ID())
		unknown := f.s().DestroyForUser(f.Context(), "bob", sessile.ID{7})
		f.wantErr(foreign, sessile.ErrNotFound)
		f.wantErr(unknown, sessile.ErrNotFound)
		if a, b := strings.ReplaceAll(foreign.Error(), s.ID().String(), "ID"), strings.ReplaceAll(unknown.Error(), sessile.ID{7}.String(), "ID"); a != b {
			f.Fatalf("a foreign session can be told from an unknown one: %q, %q", a, b)
		}
		f.alive(tok)
		f.must(f.s().DestroyForUser(f.Context(), "ann", s.ID()))
		f.dead(tok)
	})
}

func TestDestroyAllForUserCountsAndSparesOthers(t *testing.T) { // A23, S35
	suite(t, func(f *fixture) {
		_, a := f.login("ann")
		_, b := f.login("ann")
		_, c := f.login("bob")
		n, err := f.s().DestroyAllForUser(f.Context(), "ann")
		f.must(err)
		if n != 2 {
			f.Fatalf("destroyed %d", n)
		}
		f.dead(a)
		f.dead(b)
		f.alive(c)
		if n, err := f.s().DestroyAllForUser(f.Context(), "nobody"); n != 0 || err != nil {
			f.Fatalf("%d, %v", n, err)
		}
		_, again := f.login("ann")
		f.alive(again)
	})
}

func TestDestroyAllExceptKeepsOne(t *testing.T) {
	suite(t, func(f *fixture) {
		keep, kept := f.login("ann")
		_, b := f.login("ann")
		n, err := f.s().DestroyAllExcept(f.Context(), "ann", keep.ID())
		f.must(err)
		if n != 1 {
			f.Fatalf("destroyed %d", n)
		}
		f.alive(kept)
		f.dead(b)
	})
}

func TestDestroyAllExceptAWrongIDDestroysNothing(t *testing.T) { // S33, a fault of the original
	suite(t, func(f *fixture) {
		_, a := f.login("ann")
		foreign, _ := f.login("bob")
		old, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
		f.must(err)
		f.clock.advance(time.Minute)
		for _, keep := range []sessile.ID{foreign.ID(), {3}, {}, old.ID()} {
			_, err := f.s().DestroyAllExcept(f.Context(), "ann", keep)
			f.wantErr(err, sessile.ErrNotFound)
		}
		f.alive(a)
	})
}
