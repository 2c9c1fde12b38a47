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

func TestUpdateDoesNotReviveExpiredSessions(t *testing.T) { // a fault of the original
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.clock.advance(30 * 24 * time.Hour)
		later := f.clock.t.Add(time.Hour)
		f.wantErr(f.s().Touch(f.Context(), s.ID(), f.clock.t, later), sessile.ErrExpired)
		f.wantErr(f.s().Flush(f.Context(), s.ID(), nil, f.clock.t, later), sessile.ErrExpired)
		_, err := f.s().Update(f.Context(), s.ID(), new(sessile.Changes).Set("a", 1))
		f.wantErr(err, sessile.ErrNotFound) // ErrExpired is one
		_, err = f.s().RotateToken(f.Context(), s.ID())
		f.wantErr(err, sessile.ErrExpired)
		f.dead(tok)
	})
}

func TestUpdateChangesSingleKeysAndCountsAsAccess(t *testing.T) {
	suite(t, func(f *fixture) {
		s, tok, err := f.s().Create(f.Context(), sessile.Meta{}, "ann", map[string]any{"a": 1, "b": "x", "c": true})
		f.must(err)
		f.clock.advance(time.Minute)
		_, err = f.s().Update(f.Context(), s.ID(), new(sessile.Changes).Set("a", 2).Delete("b").Set("d", nil))
		f.must(err)
		got := f.alive(tok)
		if want := `{"a":2,"c":true,"d":null}`; string(got.Data().JSON()) != want || !got.LastActiveAt().Equal(f.clock.t) {
			f.Fatalf("data is %s, active %v", got.Data().JSON(), got.LastActiveAt())
		}
	})
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
