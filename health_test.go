package sessile_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestHealthIsDegradedWhileTheDiskIsSlow: the health reports changes that wait too long, and the
// age of the oldest (D21).
func TestHealthIsDegradedWhileTheDiskIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := hookedFile(t, sessile.Config{})
		slow, commits := make(chan struct{}), atomic.Int32{}
		g.Set(failApply(func() error {
			if commits.Add(1) > 1 { // the first is the login's
				<-slow
			}
			return nil
		}))
		x, _ := login(t, s, "ann")
		if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("n", 1)); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if h := s.Health(); h.State != sessile.HealthOK {
			t.Errorf("after a second: %v, %s", h.State, h.Reason)
		}
		pass(2 * time.Second)
		h := s.Health()
		if h.State != sessile.HealthDegraded || h.OldestPending < 2*time.Second {
			t.Errorf("after three: %v, %v", h.State, h.OldestPending)
		}
		close(slow)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h := s.Health(); h.State != sessile.HealthOK {
			t.Errorf("when it is back: %v, %s", h.State, h.Reason)
		}
	})
}

// TestHealthChangesAreEvents: failing writes, refused calls, and the end of both are each reported
// once (D13, D21).
func TestHealthChangesAreEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		s, g := hookedFile(t, sessile.Config{MaxPending: 2, Events: func(e sessile.Event) {
			if e.Kind == sessile.EventHealth {
				told = append(told, e.Reason)
			}
		}})
		var down atomic.Bool
		g.Set(failApply(func() error {
			if down.Load() {
				return persist.ErrUnavailable
			}
			return nil
		}))
		var all []sessile.Session
		for range 3 {
			x, _ := login(t, s, "ann")
			all = append(all, x)
		}
		set := new(sessile.Changes).Set("n", 1)
		for range 2 {
			down.Store(true)
			for _, x := range all {
				_, err := s.Update(t.Context(), x.ID(), set)
				if refused := x.ID() == all[2].ID(); errors.Is(err, sessile.ErrOverloaded) != refused {
					t.Fatalf("at the bound %v: %v", refused, err)
				}
			}
			pass(time.Second / 2)
			if st := s.Stats(); s.Health().State != sessile.HealthDegraded || st.Overloaded == 0 || st.Waiting != 0 {
				t.Errorf("%+v, %+v", s.Health(), st)
			}
			down.Store(false)
			pass(10 * time.Second)
			if h := s.Health(); h.State != sessile.HealthOK || h.LastError == nil {
				t.Errorf("%+v", h)
			}
		}
		synctest.Wait()
		want := []string{
			"overloaded: calls are refused", "writes fail and are retried",
			"calls are accepted again", "writes succeed again",
		}
		slices.Sort(want)
		for round := range 2 {
			got := slices.Sorted(slices.Values(told[min(round*4, len(told)):min(round*4+4, len(told))]))
			if !slices.Equal(got, want) || len(told) != 8 {
				t.Errorf("told %d: %v", len(told), told)
			}
		}
	})
}

// 1. One login fails, and nothing else waits for the disk.
// 2. Nobody writes for minutes.
//
// The node may work by now. Only failures that go on make it HealthFailed, which takes it out of service.
func TestHealthIsFailedOnlyWhileWritesGoOnFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := hookedFile(t, sessile.Config{})
		g.Set(down(persist.ErrUnavailable))
		is := func(when string, want sessile.HealthState, reason string) {
			t.Helper()
			if h := s.Health(); h.State != want || h.Reason != reason {
				t.Errorf("%s: %v, %q, want %v, %q", when, h.State, h.Reason, want, reason)
			}
		}
		fail := func() {
			t.Helper()
			if _, _, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); !errors.Is(err, sessile.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		fail()
		is("after the failure", sessile.HealthDegraded, "the last write failed")
		pass(3 * time.Minute)
		is("when nobody has written for minutes", sessile.HealthDegraded, "the last write failed")
		fail()
		pass(10 * time.Second)
		is("after another failure", sessile.HealthFailed, "nothing has been written for more than a minute")
		g.Set(persisttest.Hooks{})
		login(t, s, "ann")
		is("after a login", sessile.HealthOK, "")
	})
}

func TestHealthReportsTheSizeOfTheFile(t *testing.T) { // D20
	if h := openIn(t, sessile.Config{}).Health(); h.FileBytes == 0 {
		t.Errorf("%+v", h)
	}
}
