package sessile_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
)

// TestTouchToAFarExpiryKeepsTheLoopIdle: an expiry in centuries does not overflow the timer.
func TestTouchToAFarExpiryKeepsTheLoopIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		s, _ := hookedMemory(t, sessile.WithClock(sessile.Config{MaxLifetime: sessile.NoMaxLifetime}, countedClock(&calls, time.Now)))
		x, _ := login(t, s, "u")
		for _, year := range []int{2400, 9999} {
			if err := s.Touch(t.Context(), x.ID(), time.Now(), time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
				t.Fatal(err)
			}
			_ = s.Done(t.Context(), x.ID())
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			calls.Store(0)
			pass(300 * time.Millisecond)
			if n := calls.Load(); n > 100 {
				t.Errorf("year %d: the idle loop ran %d times in 300 ms", year, n)
			}
		}
	})
}

// TestTouchReachesTheDiskWithinTheBatchInterval uses virtual time (I7).
func TestTouchReachesTheDiskWithinTheBatchInterval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := sessile.Open(t.Context(), sessile.Config{Path: path, BatchInterval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		x, _ := login(t, s, "ann")
		before := s.Stats().Batches
		for range 100 {
			now := time.Now()
			if err := s.Touch(t.Context(), x.ID(), now, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			pass(time.Millisecond)
		}
		if st := s.Stats(); st.Batches != before || st.Pending != 1 {
			t.Fatalf("%d batches, %d pending", st.Batches-before, st.Pending)
		}
		pass(time.Minute)
		synctest.Wait()
		if st := s.Stats(); st.Batches != before+1 || st.Pending != 0 {
			t.Fatalf("%d batches, %d pending", st.Batches-before, st.Pending)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
