package sessile_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

func TestCleanupContinuesPastARowThatCannotBeDeleted(t *testing.T) {
	clock := behaviour.NewClock()
	s, h := hookedMemory(t, sessile.WithClock(sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit}, clock.Now))
	bad, _ := login(t, s, "u")
	for i := range 600 {
		login(t, s, fmt.Sprint("u", i%7))
	}
	clock.Advance(40 * 24 * time.Hour)
	at := -1
	isBad := func(op persist.Op) bool { return op.Ref.ID == persist.ID(bad.ID()) }
	h.Set(persisttest.Hooks{
		Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			rest := *c.Batch
			at = slices.IndexFunc(rest.Ops, isBad)
			rest.Ops = slices.DeleteFunc(slices.Clone(rest.Ops), isBad)
			c.Batch = &rest
		}),
		After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			if at >= 0 && c.Err == nil {
				c.Result.Ops = slices.Insert(c.Result.Ops, at, persist.Outcome{Status: persist.StatusFailed, Err: persist.ErrCorrupt})
			}
		}),
	})
	if n, err := s.CleanupExpired(t.Context()); n != 600 || !errors.Is(err, sessile.ErrCorrupt) {
		t.Errorf("%d of 600 expired sessions were deleted: %v", n, err)
	}
}

// TestCleanupRunsByItself uses virtual time.
func TestCleanupRunsByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var kinds []sessile.EventKind
		s, err := sessile.Open(t.Context(), sessile.Config{Path: path, TTL: time.Minute, CleanupInterval: time.Hour, Events: func(e sessile.Event) {
			mu.Lock()
			defer mu.Unlock()
			kinds = append(kinds, e.Kind)
		}})
		if err != nil {
			t.Fatal(err)
		}
		x, _ := login(t, s, "ann")
		done := s.Done(t.Context(), x.ID())
		pass(time.Minute + time.Second)
		synctest.Wait()
		select {
		case <-done: // closed at its expiry, without the sweeper
		default:
			t.Fatal("Done is open after the expiry")
		}
		pass(time.Hour)
		synctest.Wait()
		if _, err := s.Read(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotFound) {
			t.Fatalf("still there: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if fmt.Sprint(kinds) != "[created expired]" {
			t.Fatalf("events: %v", kinds)
		}
	})
}

// The session expires without another access. The clean-up adopts it, and deletes it when it is
// due.
func TestCleanupEndsASessionFromTheFutureThatNobodyReads(t *testing.T) {
	r := newRestarts(t, sessile.Config{TTL: time.Hour})
	r.forgets = true
	r.clock.set(365 * 24 * time.Hour)
	x, _ := login(t, r.again(), "ann")
	r.clock.set(-365 * 24 * time.Hour)
	for _, want := range []int{0, 0, 1} {
		if n, err := r.again().CleanupExpired(t.Context()); n != want || err != nil {
			t.Errorf("at %v %d were deleted, want %d: %v", r.s.Now(), n, want, err)
		}
		r.clock.pass(31 * time.Minute)
	}
	if _, err := r.s.Read(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotFound) {
		t.Error(err)
	}
}
