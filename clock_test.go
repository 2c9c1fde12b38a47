package sessile_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// TestClockFollowsTheWallClock: between two looks at the wall clock it counts on by itself.
func TestClockFollowsTheWallClock(t *testing.T) {
	s, _ := openGated(t, sessile.Config{})
	last := time.Time{}
	for range 10_000 {
		before := time.Now().Truncate(time.Microsecond)
		now := s.Now()
		after := time.Now()
		if now.Before(before.Add(-time.Millisecond)) || now.After(after.Add(time.Millisecond)) || now.Location() != time.UTC {
			t.Fatalf("%v is not between %v and %v", now, before, after)
		}
		if now.Before(last.Add(-time.Millisecond)) {
			t.Fatalf("%v comes after %v", now, last)
		}
		last = now
	}
}

// twoClocks are the clocks of a store under test: time passes on both, and the
// wall clock may be set.
type twoClocks struct{ wall, mono atomic.Int64 }

func (c *twoClocks) pass(d time.Duration) { c.wall.Add(int64(d)); c.mono.Add(int64(d)) }
func (c *twoClocks) set(d time.Duration)  { c.wall.Add(int64(d)) }

// of gives a configuration these clocks.
func (c *twoClocks) of(cfg sessile.Config) sessile.Config {
	return sessile.WithClocks(cfg, c.time, func() time.Duration { return time.Duration(c.mono.Load()) })
}

func (c *twoClocks) time() time.Time {
	return time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC).Add(time.Duration(c.wall.Load()))
}

// A wall clock that is a year ahead for a moment makes no session live longer and no
// proof of identity fresher (S29): the time goes on.
func TestClockGoesOnAfterTheWallClockWasAhead(t *testing.T) {
	c := new(twoClocks)
	s, _ := hookedStore(t, c.of(sessile.Config{TTL: time.Second, MaxLifetime: 2 * time.Second, CleanupInterval: sessile.NoCleanup}))
	c.set(365 * 24 * time.Hour)
	x, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.set(-365 * 24 * time.Hour)
	c.pass(999 * time.Millisecond)
	if _, err := s.Renew(t.Context(), x.ID()); err != nil {
		t.Fatalf("after a second less a millisecond: %v", err)
	}
	if fresh := s.Now().Sub(x.AuthenticatedAt()); fresh != 999*time.Millisecond {
		t.Errorf("the proof is %v old", fresh)
	}
	c.pass(time.Second)
	if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
		t.Errorf("a second after its last access: %v", err)
	}
	if n, err := s.CleanupExpired(t.Context()); n != 1 || err != nil {
		t.Errorf("the clean-up deleted %d, %v", n, err)
	}
}

func TestHealthReportsHowFarTheWallClockIsBehind(t *testing.T) {
	c := new(twoClocks)
	s, _ := hookedStore(t, c.of(sessile.Config{}))
	want := func(state sessile.HealthState, reason string) {
		t.Helper()
		if h := s.Health(); h.State != state || !strings.Contains(h.Reason, reason) || reason == "" && h.Reason != "" {
			t.Errorf("%v, %q; want %v, %q", h.State, h.Reason, state, reason)
		}
	}
	want(sessile.HealthOK, "")
	c.set(-time.Second)
	want(sessile.HealthOK, "")
	c.set(-8 * time.Hour)
	want(sessile.HealthDegraded, "8h0m1s behind")
	c.pass(8 * time.Hour)
	want(sessile.HealthDegraded, "8h0m1s behind")
	c.set(8 * time.Hour)
	want(sessile.HealthOK, "")
}

// Trouble that has just begun is no trouble of a minute because the wall clock was set ahead.
func TestHealthOfANewFailureDoesNotAgeWithTheWallClock(t *testing.T) {
	c := new(twoClocks)
	s, h := hookedStore(t, c.of(sessile.Config{BatchInterval: time.Hour}))
	x, _ := mk(t, s, "ann")
	h.set(func() {
		h.apply = func(*persist.Batch) (persist.Result, error) { return persist.Result{}, persist.ErrUnavailable }
	})
	if err := s.Destroy(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotDurable) {
		t.Fatal(err)
	}
	c.set(24 * time.Hour)
	if got := s.Health(); got.State != sessile.HealthDegraded {
		t.Errorf("%v, %q", got.State, got.Reason)
	}
	h.set(func() { h.apply = nil })
}
