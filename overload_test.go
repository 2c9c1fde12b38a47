package sessile_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// TestOverloadBoundsHoldWhileTheDiskIsDown: at the limit the store drops touches, makes growing
// calls wait and then refuses them, serves reads, and never refuses a logout (D13, D14, S30).
func TestOverloadBoundsHoldWhileTheDiskIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := hookedFile(t, sessile.Config{MaxPending: 10, CacheSize: 100, MaxSessionsPerUser: sessile.NoSessionLimit})
		var down atomic.Bool
		g.Set(failApply(func() error {
			if down.Load() {
				return persist.ErrUnavailable
			}
			return nil
		}))
		var sessions []sessile.Session
		var tokens []sessile.Token
		for range 15 {
			x, tok := login(t, s, "ann")
			sessions, tokens = append(sessions, x), append(tokens, tok)
		}
		down.Store(true)
		set := new(sessile.Changes).Set("k", 1)
		for _, x := range sessions[:10] {
			if _, err := s.Update(within(t), x.ID(), set); err != nil {
				t.Fatalf("below the bound: %v", err)
			}
		}
		if _, err := s.Update(within(t), sessions[10].ID(), set); !errors.Is(err, sessile.ErrOverloaded) {
			t.Errorf("an update at the bound: %v", err)
		}
		if _, _, err := s.Create(within(t), sessile.Meta{}, "ann", nil); !errors.Is(err, sessile.ErrOverloaded) {
			t.Errorf("a create at the bound: %v", err)
		}
		now := time.Now()
		if err := s.Touch(within(t), sessions[11].ID(), now, now.Add(time.Hour)); err != nil || s.Stats().TouchesDropped != 1 {
			t.Errorf("a touch at the bound: %v, %d dropped", err, s.Stats().TouchesDropped)
		}
		if err := s.Destroy(within(t), sessions[12].ID()); !errors.Is(err, sessile.ErrNotDurable) {
			t.Errorf("a logout at the bound: %v", err)
		}
		if _, err := s.ReadByToken(t.Context(), tokens[12]); !errors.Is(err, sessile.ErrNotFound) {
			t.Errorf("and then: %v", err)
		}
		if _, err := s.ReadByToken(t.Context(), tokens[13]); err != nil {
			t.Errorf("a read: %v", err)
		}
		if h := s.Health(); h.State != sessile.HealthDegraded {
			t.Errorf("health: %v", h.State)
		}
		down.Store(false)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(t.Context(), sessions[10].ID(), set); err != nil {
			t.Errorf("when the disk is back: %v", err)
		}
		pass(2 * time.Second) // a refusal shows for a second
		if h := s.Health(); h.State != sessile.HealthOK {
			t.Errorf("health: %v, %s", h.State, h.Reason)
		}
	})
}

// TestOverloadEndsOnlyWithRoomToSpare: the state does not flap at the limit (D14).
func TestOverloadEndsOnlyWithRoomToSpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := hookedFile(t, sessile.Config{MaxPending: 20, BatchSize: 1, CacheSize: 100, MaxSessionsPerUser: sessile.NoSessionLimit})
		allow, held := make(chan struct{}), atomic.Bool{}
		g.Set(failApply(func() error {
			if held.Load() {
				<-allow
			}
			return nil
		}))
		var sessions []sessile.Session
		for range 20 {
			x, _ := login(t, s, "ann")
			sessions = append(sessions, x)
		}
		held.Store(true)
		set := new(sessile.Changes).Set("k", 1)
		for _, x := range sessions {
			if _, err := s.Update(within(t), x.ID(), set); err != nil {
				t.Fatal(err)
			}
		}
		if h := s.Health(); h.State != sessile.HealthDegraded || h.Reason != "too many changes wait for the disk" {
			t.Errorf("%v, %q", h.State, h.Reason)
		}
		x := sessions[0].ID()
		for range 2 { // one commit makes room for one change: not enough
			allow <- struct{}{}
			if _, err := s.Update(within(t), x, set); !errors.Is(err, sessile.ErrOverloaded) {
				t.Fatalf("the gate is open after one commit: %v", err)
			}
		}
		close(allow)
		if _, err := s.Update(t.Context(), x, set); err != nil {
			t.Fatal(err)
		}
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
