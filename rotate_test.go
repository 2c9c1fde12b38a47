package sessile_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestRotateOfUnknownOutcomeKillsTheTokenBefore: the rotation has no grace.
func TestRotateOfUnknownOutcomeKillsTheTokenBefore(t *testing.T) {
	s, h := hookedMemory(t, sessile.Config{})
	x, a := login(t, s, "u")
	_, b, err := s.Rotate(t.Context(), x.ID(), sessile.Rotation{Grace: true})
	if err != nil {
		t.Fatal(err)
	}
	h.Set(down(persist.ErrUnknown))
	if _, err := s.RotateToken(t.Context(), x.ID()); !errors.Is(err, sessile.ErrUnknown) {
		t.Fatal(err)
	}
	for name, tok := range map[string]sessile.Token{"current": b, "before": a} {
		if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
			t.Errorf("the token that was %s: %v", name, err)
		}
	}
}

func TestRotateOfUnknownOutcomeKeepsTheTokenBeforeDeadAfterRecovery(t *testing.T) {
	s, h := hookedMemory(t, sessile.Config{CacheSize: 1})
	x, a := login(t, s, "u")
	if _, _, err := s.Rotate(t.Context(), x.ID(), sessile.Rotation{Grace: true}); err != nil {
		t.Fatal(err)
	}
	z, _ := login(t, s, "z")
	h.Set(down(persist.ErrUnknown))
	if _, err := s.RotateToken(t.Context(), x.ID()); !errors.Is(err, sessile.ErrUnknown) {
		t.Fatal(err)
	}
	_, _ = s.Read(t.Context(), z.ID()) // evicts x from memory
	before := readErr(t, s, a)
	h.Set(persisttest.Hooks{})
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := readErr(t, s, a); !errors.Is(err, sessile.ErrNotFound) || !errors.Is(before, sessile.ErrNotFound) {
		t.Errorf("before the recovery: %v, after it: %v", before, err)
	}
}

// TestRotateGraceThatEndedStaysOverAfterAnEviction: the note that the new token was presented still
// waits for the disk.
func TestRotateGraceThatEndedStaysOverAfterAnEviction(t *testing.T) {
	clock := behaviour.NewClock()
	s, h := hookedMemory(t, sessile.WithClock(sessile.Config{CacheSize: 1, RotateGrace: time.Second}, clock.Now))
	x, a := login(t, s, "u")
	_, b, err := s.Rotate(t.Context(), x.ID(), sessile.Rotation{Grace: true})
	if err != nil {
		t.Fatal(err)
	}
	z, _ := login(t, s, "z")
	h.Set(down(persist.ErrUnavailable))
	if err := readErr(t, s, b); err != nil { // b is seen: a has a second left
		t.Fatal(err)
	}
	clock.Advance(5 * time.Second)
	for range 2 {
		if err := readErr(t, s, a); !errors.Is(err, sessile.ErrNotFound) {
			t.Errorf("the grace is over: %v", err)
		}
		_, _ = s.Read(t.Context(), z.ID()) // evicts x from memory
	}
}

// TestRotateOfUnknownOutcomeHandsOutNothing: the old token stays invalid (D9, I2).
func TestRotateOfUnknownOutcomeHandsOutNothing(t *testing.T) {
	s, g := hookedFile(t, sessile.Config{})
	x, tok := login(t, s, "ann")
	var once sync.Once
	g.Set(failApply(func() (err error) {
		once.Do(func() { err = persist.ErrUnknown })
		return err
	}))
	if fresh, err := s.RotateToken(t.Context(), x.ID()); !errors.Is(err, sessile.ErrUnknown) || !fresh.IsZero() {
		t.Fatalf("rotation: %v", err)
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatalf("the old token: %v", err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatalf("the old token after the retry: %v", err)
	}
	if _, err := s.Read(t.Context(), x.ID()); err != nil {
		t.Fatalf("the session itself: %v", err)
	}
}

// TestRotateInParallelLeavesOneToken: A25, S21.
func TestRotateInParallelLeavesOneToken(t *testing.T) {
	s, _ := hookedFile(t, sessile.Config{})
	x, first := login(t, s, "ann")
	tokens := make([]sessile.Token, 32)
	var all sync.WaitGroup
	for i := range tokens {
		all.Go(func() {
			var err error
			if tokens[i], err = s.RotateToken(t.Context(), x.ID()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	live := 0
	for _, tok := range slices.Concat(tokens, []sessile.Token{first}) {
		if readErr(t, s, tok) == nil {
			live++
		}
	}
	if live != 1 {
		t.Fatalf("%d tokens are live", live)
	}
}

// The previous token has no longer grace than the configuration allows.
func TestRotateGraceFromTheFutureIsNoLongerThanAGrace(t *testing.T) {
	r := newRestarts(t, sessile.Config{})
	r.forgets = true
	r.clock.set(8 * time.Hour)
	s := r.again()
	x, old := login(t, s, "ann")
	_, tok, err := s.Rotate(t.Context(), x.ID(), sessile.Rotation{From: old, Grace: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadByToken(t.Context(), tok); err != nil { // it is seen
		t.Fatal(err)
	}
	r.clock.set(-8 * time.Hour)
	s = r.again()
	if _, err := s.ReadByToken(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	r.clock.pass(33 * time.Second)
	if _, err := s.ReadByToken(t.Context(), old); !errors.Is(err, sessile.ErrNotFound) {
		t.Errorf("half a minute later: %v", err)
	}
	s = r.again()
	got, err := s.ReadByToken(t.Context(), tok)
	if err != nil || got.RotatedAt().After(s.Now()) {
		t.Errorf("rotated at %v, and it is %v: %v", got.RotatedAt(), s.Now(), err)
	}
}
