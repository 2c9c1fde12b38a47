package sessile_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// TestFlushInFlightDoesNotSurviveADestroy destroys a session while the batch with its flush is
// being committed (A1, D4, D5).
func TestFlushInFlightDoesNotSurviveADestroy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := hookedFile(t, sessile.Config{BatchInterval: time.Millisecond})
		x, tok := login(t, s, "ann")
		inFlight, destroyed := make(chan struct{}), make(chan struct{})
		var once sync.Once
		g.Set(beforeApply(func(b *persist.Batch) {
			if len(b.Writes) > 0 {
				once.Do(func() { close(inFlight); <-destroyed })
			}
		}))
		now := time.Now()
		if err := s.Flush(t.Context(), x.ID(), map[string]int{"n": 1}, now, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		<-inFlight
		done := make(chan error)
		go func() { done <- s.Destroy(t.Context(), x.ID()) }()
		synctest.Wait()
		if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
			t.Fatalf("while its own flush is being written: %v", err)
		}
		close(destroyed)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
			t.Fatalf("after the destroy: %v", err)
		}
	})
}
