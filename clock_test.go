package sessile_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestClockFollowsTheWallClock: between two readings of the wall clock, the store's time keeps
// running.
func TestClockFollowsTheWallClock(t *testing.T) {
	s, _ := hookedFile(t, sessile.Config{})
	last := time.Time{}
	for range 10_000 {
		before := time.Now().Truncate(time.Microsecond)
		now := s.Now()
		after := time.Now()
		if now.Before(before.Add(-time.Millisecond)) || now.After(after.Add(time.Millisecond)) || now.Location() != time.UTC {
			t.Fatalf("%v is not between %v and %v", now, before, after)
		}
		if now.Before(last.Add(-time.Millisecond)) {
			t.Fatalf("%v comes after %v", now, last)
		}
		last = now
	}
}

// twoClocks are the clocks of a store under test. Time passes on both, and a test can set the wall
// clock.
type twoClocks struct{ wall, mono atomic.Int64 }

func (c *twoClocks) pass(d time.Duration) { c.wall.Add(int64(d)); c.mono.Add(int64(d)) }
func (c *twoClocks) set(d time.Duration)  { c.wall.Add(int64(d)) }

// of adds these clocks to a configuration.
func (c *twoClocks) of(cfg sessile.Config) sessile.Config {
	return sessile.WithClocks(cfg, c.time, func() time.Duration { return time.Duration(c.mono.Load()) })
}

func (c *twoClocks) time() time.Time {
	return time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC).Add(time.Duration(c.wall.Load()))
}

// A wall clock that jumps a year ahead for a moment lets no session live longer and makes no
// authentication fresher, because the store's time does not go back (S29).
func TestClockGoesOnAfterTheWallClockWasAhead(t *testing.T) {
	c := new(twoClocks)
	s, _ := hookedMemory(t, c.of(sessile.Config{TTL: time.Second, MaxLifetime: 2 * time.Second, CleanupInterval: sessile.NoCleanup}))
	c.set(365 * 24 * time.Hour)
	x, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.set(-365 * 24 * time.Hour)
	c.pass(999 * time.Millisecond)
	if _, err := s.Renew(t.Context(), x.ID()); err != nil {
		t.Fatalf("after a second less a millisecond: %v", err)
	}
	if fresh := s.Now().Sub(x.AuthenticatedAt()); fresh != 999*time.Millisecond {
		t.Errorf("the proof is %v old", fresh)
	}
	c.pass(time.Second)
	if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
		t.Errorf("a second after its last access: %v", err)
	}
	if n, err := s.CleanupExpired(t.Context()); n != 1 || err != nil {
		t.Errorf("the clean-up deleted %d, %v", n, err)
	}
}

func TestHealthReportsHowFarTheWallClockIsBehind(t *testing.T) {
	c := new(twoClocks)
	s, _ := hookedMemory(t, c.of(sessile.Config{}))
	want := func(state sessile.HealthState, reason string) {
		t.Helper()
		if h := s.Health(); h.State != state || !strings.Contains(h.Reason, reason) || reason == "" && h.Reason != "" {
			t.Errorf("%v, %q; want %v, %q", h.State, h.Reason, state, reason)
		}
	}
	want(sessile.HealthOK, "")
	c.set(-time.Second)
	want(sessile.HealthOK, "")
	c.set(-8 * time.Hour)
	want(sessile.HealthDegraded, "8h0m1s behind")
	c.pass(8 * time.Hour)
	want(sessile.HealthDegraded, "8h0m1s behind")
	c.set(8 * time.Hour)
	want(sessile.HealthOK, "")
}

// TestHealthOfANewFailureDoesNotAgeWithTheWallClock: the wall clock is set ahead, but a new failure
// does not count as a minute old.
func TestHealthOfANewFailureDoesNotAgeWithTheWallClock(t *testing.T) {
	c := new(twoClocks)
	s, h := hookedMemory(t, c.of(sessile.Config{BatchInterval: time.Hour}))
	x, _ := login(t, s, "ann")
	h.Set(down(persist.ErrUnavailable))
	if err := s.Destroy(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotDurable) {
		t.Fatal(err)
	}
	c.set(24 * time.Hour)
	if got := s.Health(); got.State != sessile.HealthDegraded {
		t.Errorf("%v, %q", got.State, got.Reason)
	}
	h.Set(persisttest.Hooks{})
}

// offsetClock is a wall clock that a test can set.
type offsetClock struct{ offset atomic.Int64 }

func (c *offsetClock) now() time.Time      { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *offsetClock) set(d time.Duration) { c.offset.Store(int64(d)) }

// TestClockSetBackDoesNotStopTheWriteBehind: batches continue.
func TestClockSetBackDoesNotStopTheWriteBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := new(offsetClock)
		s, _ := hookedMemory(t, sessile.WithClock(sessile.Config{BatchInterval: 10 * time.Millisecond}, clock.now))
		x, _ := login(t, s, "u")
		clock.set(-time.Hour) // an NTP step, or a VM that resumes
		if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("k", 1)); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Millisecond)
		if st := s.Stats(); st.Pending != 0 {
			t.Errorf("two batch intervals after an update: %+v, %+v", st, s.Health())
		}
	})
}

// TestClockSetBackDoesNotStopRetries: one commit fails, and the next one succeeds.
func TestClockSetBackDoesNotStopRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := new(offsetClock)
		s, h := hookedMemory(t, sessile.WithClock(sessile.Config{}, clock.now))
		x, _ := login(t, s, "u")
		y, _ := login(t, s, "u")
		clock.set(-time.Hour)
		commits := 0
		h.Set(failApply(func() error {
			if commits++; commits == 1 {
				return persist.ErrUnavailable
			}
			return nil
		}))
		if err := s.Destroy(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotDurable) {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := s.Destroy(ctx, y.ID()); err != nil {
			t.Errorf("the disk works again: %v, after %d commits", err, commits)
		}
	})
}

// countedClock counts how often the store reads it, and stops a loop that never idles.
func countedClock(calls *atomic.Int64, now func() time.Time) func() time.Time {
	return func() time.Time {
		if calls.Add(1) > 10_000 {
			panic("the loop does not rest")
		}
		return now()
	}
}

// TestClockSetBackKeepsTheLoopIdle: the clock stops just before a batch is due.
func TestClockSetBackKeepsTheLoopIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at, calls atomic.Int64
		start := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC).UnixMicro()
		at.Store(start)
		now := countedClock(&calls, func() time.Time { return time.UnixMicro(at.Load()) })
		s, _ := hookedMemory(t, sessile.WithClock(sessile.Config{BatchInterval: time.Second}, now))
		x, _ := login(t, s, "u")
		if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("k", 1)); err != nil {
			t.Fatal(err)
		}
		at.Store(start + 999_990) // 10 µs before the batch is due
		_ = s.Stats()
		at.Store(start)
		calls.Store(0)
		pass(300 * time.Millisecond)
		if n := calls.Load(); n > 100 {
			t.Errorf("the loop ran %d times in 300 ms with nothing to do", n)
		}
	})
}

// TestClockThatJumpsRevivesNothing: however the wall clock jumps, a session is never valid past its
// deadline and never valid again after it was seen expired, and its last activity never goes back
// (R18, S26, S27, S29).
func TestClockThatJumpsRevivesNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		clock := behaviour.NewClock()
		cfg := sessile.WithClock(sessile.Config{TTL: 24 * time.Hour, MaxLifetime: 72 * time.Hour, CleanupInterval: sessile.NoCleanup}, clock.Now)
		s, _ := hookedMemory(t, cfg)
		x, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
		if err != nil {
			r.Fatal(err)
		}
		over, last, high := false, x.LastActiveAt(), x.CreatedAt()
		r.Repeat(map[string]func(*rapid.T){
			"jump": func(r *rapid.T) {
				hours := rapid.OneOf(rapid.IntRange(-20, 20), rapid.IntRange(-87_600, 87_600)).Draw(r, "hours")
				clock.Advance(time.Duration(hours) * time.Hour)
			},
			"access": func(*rapid.T) { _, _ = s.Renew(t.Context(), x.ID()) },
			"": func(r *rapid.T) {
				if clock.Now().After(high) {
					high = clock.Now()
				}
				got, err := s.ReadByToken(t.Context(), tok)
				if err != nil {
					over = true
					return
				}
				if over {
					r.Fatal("a session that was seen expired is valid again")
				}
				if !high.Before(x.Deadline()) && !clock.Now().Before(x.Deadline()) {
					r.Fatal("a session is valid past its deadline")
				}
				if got.ExpiresAt().After(x.Deadline()) || got.LastActiveAt().Before(last) {
					r.Fatalf("expires %v, last active %v after %v", got.ExpiresAt(), got.LastActiveAt(), last)
				}
				last = got.LastActiveAt()
			},
		})
		if err := s.Close(); err != nil {
			r.Fatal(err)
		}
	})
}

// The time of a file continues from its last commit, whatever the wall clock says at a restart. No
// session lives longer, no session that was seen expired is valid again, and no earlier
// authentication counts as fresh (S29, I6).
func TestClockDoesNotGoBackOverARestart(t *testing.T) {
	for name, disk := range map[string]persist.Backend{"memory": persisttest.NewMemory(), "SQLite": nil} {
		t.Run(name, func(t *testing.T) {
			r := newRestarts(t, sessile.Config{TTL: time.Hour, MaxLifetime: 90 * time.Minute, Path: filepath.Join(t.TempDir(), "s.db")})
			r.disk = disk
			r.clock.set(8 * time.Hour)
			s := r.again()
			ended, old, err := s.CreateWith(t.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			r.clock.pass(2 * time.Minute)
			if _, err := s.ReadByToken(t.Context(), old); !errors.Is(err, sessile.ErrExpired) {
				t.Fatal(err)
			}
			x, tok := login(t, s, "ann")
			before := s.Now()
			r.clock.set(-8 * time.Hour)
			s = r.again()
			if now := s.Now(); now.Before(before) || now.After(before.Add(2*time.Second)) {
				t.Errorf("the time is %v, and was %v before", now, before)
			}
			if _, err := s.Read(t.Context(), ended.ID()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.ReadByToken(t.Context(), old); !errors.Is(err, sessile.ErrExpired) {
				t.Errorf("what was seen expired: %v", err)
			}
			got, err := s.ReadByToken(t.Context(), tok)
			if err != nil || !got.AuthenticatedAt().IsZero() || !got.ExpiresAt().Equal(x.ExpiresAt()) {
				t.Errorf("authenticated at %v, expires at %v and not %v: %v", got.AuthenticatedAt(), got.ExpiresAt(), x.ExpiresAt(), err)
			}
			fresh, _ := login(t, s, "ann")
			if got, err := s.Read(t.Context(), fresh.ID()); err != nil || !got.AuthenticatedAt().Equal(got.CreatedAt()) {
				t.Errorf("a new session was authenticated at %v: %v", got.AuthenticatedAt(), err)
			}
			r.clock.pass(time.Hour)
			if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
				t.Errorf("an hour after its last access: %v", err)
			}
		})
	}
}

// A wall clock that was set back a little loses nothing: authentications count, and the time
// continues.
func TestClockIgnoresASmallStepBackOverARestart(t *testing.T) {
	r := newRestarts(t, sessile.Config{})
	r.clock.pass(time.Minute)
	x, tok := login(t, r.s, "ann")
	r.clock.set(-time.Second / 2)
	s := r.again()
	if now := s.Now(); now.Before(x.CreatedAt()) || now.After(x.CreatedAt().Add(time.Second)) {
		t.Errorf("it is %v, and was %v", now, x.CreatedAt())
	}
	if got, err := s.ReadByToken(t.Context(), tok); err != nil || !got.AuthenticatedAt().Equal(x.CreatedAt()) {
		t.Errorf("authenticated at %v: %v", got.AuthenticatedAt(), err)
	}
	if h := s.Health(); h.State != sessile.HealthOK {
		t.Errorf("%v", h)
	}
}
