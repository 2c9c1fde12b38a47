package sessile_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// TestUpdateInParallelKeepsEveryKey: S44.
func TestUpdateInParallelKeepsEveryKey(t *testing.T) {
	s, _ := hookedFile(t, sessile.Config{})
	x, tok := login(t, s, "ann")
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set(fmt.Sprint("k", i), i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := s.ReadByToken(t.Context(), tok)
	if err != nil || len(got.Data().Keys()) != 64 {
		t.Fatalf("%d keys, %v", len(got.Data().Keys()), err)
	}
}

// An access renews it, and what it wrote is what is stored.
func TestUpdateOfASessionFromTheFutureStoresItsTimes(t *testing.T) {
	r := newRestarts(t, sessile.Config{TTL: time.Hour, MaxLifetime: 3 * time.Hour, BatchInterval: time.Hour})
	r.forgets = true
	r.clock.set(8 * time.Hour)
	x, tok := login(t, r.again(), "ann")
	r.clock.set(-8 * time.Hour)
	s := r.again()
	began := s.Now()
	r.clock.pass(time.Minute)
	if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("k", 1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Rotate(t.Context(), x.ID(), sessile.Rotation{Reauthenticated: true}); err != nil {
		t.Fatal(err)
	}
	now := s.Now()
	s = r.again()
	got, err := s.Read(t.Context(), x.ID())
	if n, _, _ := sessile.Get[int](got, "k"); err != nil || n != 1 || !got.LastActiveAt().Equal(now) || !got.AuthenticatedAt().Equal(now) ||
		got.Deadline().After(began.Add(3*time.Hour+time.Minute)) {
		t.Errorf("%d, active %v, authenticated %v, until %v: %v", n, got.LastActiveAt(), got.AuthenticatedAt(), got.Deadline(), err)
	}
	if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Error(err)
	}
}
