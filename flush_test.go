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

// TestFlushInFlightDoesNotSurviveADestroy forces a destroy while the batch with
// the session's flush is being committed (A1, D4, D5).
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

func TestFlushDoesNotReviveADestroyedSession(t *testing.T) { // A1, A2, S22, D4
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		ctx, later := f.Context(), f.clock.t.Add(time.Hour)
		f.must(f.s().Flush(ctx, s.ID(), map[string]int{"n": 1}, f.clock.t, later)) // still queued
		f.must(f.s().Destroy(ctx, s.ID()))
		f.wantErr(f.s().Flush(ctx, s.ID(), map[string]int{"n": 2}, f.clock.t, later), sessile.ErrNotFound)
		f.wantErr(f.s().Touch(ctx, s.ID(), f.clock.t, later), sessile.ErrNotFound)
		_, err := f.s().Update(ctx, s.ID(), new(sessile.Changes).Set("n", 3))
		f.wantErr(err, sessile.ErrNotFound)
		_, err = f.s().RotateToken(ctx, s.ID())
		f.wantErr(err, sessile.ErrNotFound)
		f.must(f.s().Sync(ctx))
		f.dead(tok)
	})
}

func TestFlushReplacesDataAndTimes(t *testing.T) {
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.clock.advance(time.Minute)
		f.must(f.s().Flush(f.Context(), s.ID(), map[string]string{"a": "1"}, f.clock.t, f.clock.t.Add(time.Hour)))
		got := f.alive(tok)
		if !got.LastActiveAt().Equal(f.clock.t) || !got.ExpiresAt().Equal(f.clock.t.Add(time.Hour)) || string(got.Data().JSON()) != `{"a":"1"}` {
			f.Fatalf("after flush: %v %v %s", got.LastActiveAt(), got.ExpiresAt(), got.Data().JSON())
		}
		f.must(f.s().FlushDurable(f.Context(), s.ID(), map[string]string{"b": "2"}, f.clock.t, f.clock.t.Add(1000*24*time.Hour)))
		got = f.alive(tok)
		if !got.ExpiresAt().Equal(got.Deadline()) || string(got.Data().JSON()) != `{"b":"2"}` { // I6
			f.Fatalf("after durable flush: %v %s", got.ExpiresAt(), got.Data().JSON())
		}
		f.wantErr(f.s().Flush(f.Context(), sessile.ID{4}, nil, f.clock.t, f.clock.t), sessile.ErrNotFound)
	})
}
