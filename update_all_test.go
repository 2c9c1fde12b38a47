package sessile_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestUpdateAllForUserIsOnDiskWhenItReturns: in commits of a bounded size, also of many sessions.
func TestUpdateAllForUserIsOnDiskWhenItReturns(t *testing.T) {
	const sessions = 600
	s, disk := hookedFile(t, sessile.Config{BatchInterval: time.Hour, MaxSessionsPerUser: sessile.NoSessionLimit})
	for range sessions {
		login(t, s, "ann")
	}
	var largest atomic.Int64
	disk.Set(beforeApply(func(b *persist.Batch) { largest.Store(max(largest.Load(), int64(len(b.Writes)))) }))
	n, err := s.UpdateAllForUser(t.Context(), "ann", new(sessile.Changes).Set("role", "admin"))
	if err != nil || n != sessions {
		t.Fatalf("%d sessions, %v", n, err)
	}
	if got := largest.Load(); got == 0 || got > 256 {
		t.Errorf("the largest commit has %d writes", got)
	}
	rows, err := disk.ByUser(t.Context(), persist.UserKey{ID: "ann"})
	if err != nil || len(rows.Records) != sessions {
		t.Fatalf("%d rows, %v", len(rows.Records), err)
	}
	for _, r := range rows.Records {
		if !strings.Contains(string(r.Data), "admin") {
			t.Fatalf("the row of a session has %s", r.Data)
		}
	}
}

// TestUpdateAllForUserLeavesOutASessionThatEnds: between the list and its turn.
func TestUpdateAllForUserLeavesOutASessionThatEnds(t *testing.T) {
	s, disk := hookedFile(t, sessile.Config{})
	stays, tok := login(t, s, "ann")
	ends, _ := login(t, s, "ann")
	disk.Set(persisttest.Hooks{After: persisttest.On(persisttest.ByUser, func(*persisttest.Call) {
		disk.Set(persisttest.Hooks{})
		if err := s.Destroy(context.Background(), ends.ID()); err != nil {
			t.Error(err)
		}
	})})
	n, err := s.UpdateAllForUser(t.Context(), "ann", new(sessile.Changes).Set("role", "admin"))
	if err != nil || n != 1 {
		t.Fatalf("%d sessions, %v", n, err)
	}
	got, err := s.ReadByToken(t.Context(), tok)
	if role, _, _ := sessile.Get[string](got, "role"); err != nil || got.ID() != stays.ID() || role != "admin" {
		t.Errorf("role %q, %v", role, err)
	}
}

func TestUpdateAllForUserWaitsForAFailingDiskUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := hookedMemory(t, sessile.Config{})
		_, tok := login(t, s, "ann")
		disk.Set(down(persist.ErrUnavailable))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.UpdateAllForUser(ctx, "ann", new(sessile.Changes).Set("role", "admin"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the disk fails: %v", err)
		}
		disk.Set(persisttest.Hooks{})
		if n, err := s.UpdateAllForUser(t.Context(), "ann", new(sessile.Changes).Set("role", "admin")); n != 1 || err != nil {
			t.Errorf("%d sessions, %v", n, err)
		}
		got, err := s.ReadByToken(t.Context(), tok)
		if role, _, _ := sessile.Get[string](got, "role"); err != nil || role != "admin" {
			t.Errorf("role %q, %v", role, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := s.UpdateAllForUser(t.Context(), "ann", new(sessile.Changes)); !errors.Is(err, sessile.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
