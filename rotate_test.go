package sessile_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// renew rotates with a grace from a token, as the middleware does.
func (f *fixture) renew(id sessile.ID, from sessile.Token) (sessile.Token, error) {
	f.Helper()
	_, t, err := f.s().Rotate(f.Context(), id, sessile.Rotation{From: from, Grace: true})
	return t, err
}

// lookup finds what the middleware finds.
func (f *fixture) lookup(t sessile.Token) (sessile.Session, bridge.Found) {
	f.Helper()
	x, found, err := callsOf(f.s()).Lookup(f.Context(), t.Reveal())
	f.must(err)
	return x, found
}

// successorLost reports what the middleware learns of a token.
func (f *fixture) successorLost(t sessile.Token) bool {
	f.Helper()
	_, found := f.lookup(t)
	return found.SuccessorLost
}

// TestRotateReplacesASuccessorThatWasNotSeenForAMinute, also after a restart: one live
// successor at a time.
func TestRotateReplacesASuccessorThatWasNotSeenForAMinute(t *testing.T) {
	suite(t, func(f *fixture) {
		s, first := f.login("ann")
		lost, err := f.renew(s.ID(), first)
		f.must(err)
		for range 3 {
			f.clock.advance(time.Minute - time.Microsecond)
			if f.successorLost(first) {
				f.Fatal("lost within a minute")
			}
			_, err = f.renew(s.ID(), first)
			f.wantErr(err, sessile.ErrNotFound)
			f.clock.advance(time.Microsecond)
			if x, found := f.lookup(first); !found.SuccessorLost || !x.TokenReplaced() {
				f.Fatal("not lost after a minute")
			}
			_, _, err = f.s().Rotate(f.Context(), s.ID(), sessile.Rotation{Grace: true}) // whichever token: its client may have it
			f.wantErr(err, sessile.ErrInGrace)
			next, err := f.renew(s.ID(), first)
			f.must(err)
			f.dead(lost)
			if f.successorLost(first) {
				f.Fatal("the new one is lost at once")
			}
			lost = next
		}
		f.alive(lost) // seen
		f.clock.advance(29 * time.Second)
		f.alive(first)
		_, err = f.renew(s.ID(), first)
		f.wantErr(err, sessile.ErrNotFound)
		f.clock.advance(31 * time.Second)
		_, err = f.renew(s.ID(), first)
		f.wantErr(err, sessile.ErrNotFound)
		f.dead(first)
		f.alive(lost)
	})
}

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

// TestRotateGraceThatEndedStaysOverAfterAnEviction: the note that the new token was seen
// waits for the disk.
func TestRotateGraceThatEndedStaysOverAfterAnEviction(t *testing.T) {
	clock := newClock()
	s, h := hookedMemory(t, sessile.WithClock(sessile.Config{CacheSize: 1, RotateGrace: time.Second}, clock.now))
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
	clock.advance(5 * time.Second)
	for range 2 {
		if err := readErr(t, s, a); !errors.Is(err, sessile.ErrNotFound) {
			t.Errorf("the grace is over: %v", err)
		}
		_, _ = s.Read(t.Context(), z.ID()) // evicts x from memory
	}
}

// TestRotateOfUnknownOutcomeHandsOutNothing: the old token stays dead (D9, I2).
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

func TestRotateReplacesTheTokenAndNothingElse(t *testing.T) { // S20
	suite(t, func(f *fixture) {
		s, old, err := f.s().Create(f.Context(), sessile.Meta{}, "ann", map[string]int{"n": 7})
		f.must(err)
		f.clock.advance(time.Hour)
		tok, err := f.s().RotateToken(f.Context(), s.ID())
		f.must(err)
		f.dead(old)
		got := f.alive(tok)
		n, _, err := sessile.Get[int](got, "n")
		f.must(err)
		if got.ID() != s.ID() || n != 7 || !got.Deadline().Equal(s.Deadline()) || !got.CreatedAt().Equal(s.CreatedAt()) {
			f.Fatalf("after rotation %+v", got)
		}
		var rotated *sessile.RotatedError
		_, err = f.s().ReadByToken(f.Context(), old)
		if !errors.As(err, &rotated) || rotated.SessionID != s.ID() {
			f.Fatalf("the old token says %v", err)
		}
		_, err = f.s().RotateToken(f.Context(), sessile.ID{5})
		f.wantErr(err, sessile.ErrNotFound)
	})
}

func TestRotateGraceEndsAfterTheNewTokenWasSeen(t *testing.T) { // S24
	suite(t, func(f *fixture) {
		s, old := f.login("ann")
		_, tok, err := f.s().Rotate(f.Context(), s.ID(), sessile.Rotation{From: old, Grace: true})
		f.must(err)
		_, _, err = f.s().Rotate(f.Context(), s.ID(), sessile.Rotation{From: old, Grace: true})
		f.wantErr(err, sessile.ErrNotFound) // never a second successor
		_, _, err = f.s().Rotate(f.Context(), s.ID(), sessile.Rotation{From: tok, Grace: true})
		f.wantErr(err, sessile.ErrInGrace) // which would push out the token that its browser may have still
		f.clock.advance(time.Hour)
		f.alive(old) // the answer with the new token may have been lost
		f.alive(tok)
		f.clock.advance(29 * time.Second)
		f.alive(old)
		f.clock.advance(time.Second)
		f.dead(old)
		f.alive(tok)
		third, err := f.s().RotateToken(f.Context(), s.ID())
		f.must(err)
		f.dead(old)
		f.dead(tok)
		f.alive(third)
	})
}

// The token before the current one has no longer grace than the configuration's.
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
