package sessile_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// restarts is a store whose process begins anew, with another clock if need be.
type restarts struct {
	*testing.T
	clock   *twoClocks
	cfg     sessile.Config
	disk    persist.Backend
	forgets bool // its wall clock is all that a new process has
	s       *sessile.Store
}

func (r *restarts) again() *sessile.Store {
	r.Helper()
	if r.s != nil {
		if err := r.s.Close(); err != nil {
			r.Fatal(err)
		}
	}
	cfg := r.clock.of(r.cfg)
	if r.forgets {
		cfg = sessile.WithClock(r.cfg, r.clock.time)
	}
	var err error
	if r.disk == nil {
		r.s, err = sessile.Open(r.Context(), cfg)
	} else {
		r.s, err = sessile.New(r.disk, cfg)
	}
	if err != nil {
		r.Fatal(err)
	}
	return r.s
}

func newRestarts(t *testing.T, cfg sessile.Config) *restarts {
	t.Helper()
	cfg.CleanupInterval = sessile.NoCleanup
	r := &restarts{T: t, clock: new(twoClocks), cfg: cfg, disk: persisttest.NewMemory()}
	t.Cleanup(func() { _ = r.s.Close() })
	r.again()
	return r
}

// The time of a file goes on where its last commit was: whatever the wall clock says
// at a restart, no session lives longer, none that was seen expired is valid again, and
// no proof of identity from before counts (S29, I6).
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
			x, tok := mk(t, s, "ann")
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
			fresh, _ := mk(t, s, "ann")
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

// A session that says that it was created, used or proven in the future, because a
// clock was ahead or another hand wrote its row, lives no longer than its own lifetimes
// from when it is first read, however it is read and however often the process begins
// anew; and its proof of identity does not count.
func TestReadOfASessionFromTheFutureLimitsItsLifetimes(t *testing.T) {
	ways := map[string]func(*sessile.Store, sessile.ID, sessile.Token) (sessile.Session, error){
		"by token": func(s *sessile.Store, _ sessile.ID, tok sessile.Token) (sessile.Session, error) {
			return s.ReadByToken(context.Background(), tok)
		},
		"by id": func(s *sessile.Store, id sessile.ID, _ sessile.Token) (sessile.Session, error) {
			return s.Read(context.Background(), id)
		},
		"in a list": func(s *sessile.Store, _ sessile.ID, _ sessile.Token) (sessile.Session, error) {
			list, err := s.ListForUser(context.Background(), "ann")
			if len(list) == 0 {
				return sessile.Session{}, sessile.ErrNotFound
			}
			return list[0], err
		},
		"by who waits for its end": func(s *sessile.Store, id sessile.ID, _ sessile.Token) (sessile.Session, error) {
			s.Done(context.Background(), id)
			return s.Read(context.Background(), id)
		},
		"by the clean-up": func(s *sessile.Store, id sessile.ID, _ sessile.Token) (sessile.Session, error) {
			if n, err := s.CleanupExpired(context.Background()); n > 0 || err != nil {
				return sessile.Session{}, errors.Join(sessile.ErrExpired, err)
			}
			return s.Read(context.Background(), id)
		},
	}
	for name, look := range ways {
		t.Run(name, func(t *testing.T) {
			r := newRestarts(t, sessile.Config{TTL: time.Hour, MaxLifetime: 3 * time.Hour})
			r.forgets = true
			r.clock.set(365 * 24 * time.Hour)
			x, tok := mk(t, r.again(), "ann")
			r.clock.set(-365 * 24 * time.Hour)
			s := r.again()
			began := s.Now()
			got, err := look(s, x.ID(), tok)
			if err != nil || !got.CreatedAt().Equal(began) || !got.LastActiveAt().Equal(began) || !got.AuthenticatedAt().IsZero() ||
				!got.ExpiresAt().Equal(began.Add(time.Hour)) || !got.Deadline().Equal(began.Add(3*time.Hour)) {
				t.Fatalf("at %v: created %v, active %v, authenticated %v, until %v and %v: %v",
					began, got.CreatedAt(), got.LastActiveAt(), got.AuthenticatedAt(), got.ExpiresAt(), got.Deadline(), err)
			}
			if name == "in a list" { // which keeps nothing
				return
			}
			for range 3 { // it does not begin anew
				r.clock.pass(20 * time.Minute)
				s = r.again()
				got, err := s.Read(t.Context(), x.ID())
				if err != nil || !got.ExpiresAt().Equal(began.Add(time.Hour)) || !got.AuthenticatedAt().IsZero() {
					t.Fatalf("until %v, authenticated %v: %v", got.ExpiresAt(), got.AuthenticatedAt(), err)
				}
			}
			if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
				t.Errorf("after its lifetime: %v", err)
			}
		})
	}
}

// Nobody need come for it: the clean-up takes it back, and deletes it in its time.
func TestCleanupEndsASessionFromTheFutureThatNobodyReads(t *testing.T) {
	r := newRestarts(t, sessile.Config{TTL: time.Hour})
	r.forgets = true
	r.clock.set(365 * 24 * time.Hour)
	x, _ := mk(t, r.again(), "ann")
	r.clock.set(-365 * 24 * time.Hour)
	for _, want := range []int{0, 0, 1} {
		if n, err := r.again().CleanupExpired(t.Context()); n != want || err != nil {
			t.Errorf("at %v %d were deleted, want %d: %v", r.s.Now(), n, want, err)
		}
		r.clock.pass(31 * time.Minute)
	}
	if _, err := r.s.Read(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotFound) {
		t.Error(err)
	}
}

// A wall clock that was set back a little loses nothing: proofs count, and the time
// begins where it was.
func TestClockIgnoresASmallStepBackOverARestart(t *testing.T) {
	r := newRestarts(t, sessile.Config{})
	r.clock.pass(time.Minute)
	x, tok := mk(t, r.s, "ann")
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

// An access renews it, and what it wrote is what is stored.
func TestUpdateOfASessionFromTheFutureStoresItsTimes(t *testing.T) {
	r := newRestarts(t, sessile.Config{TTL: time.Hour, MaxLifetime: 3 * time.Hour, BatchInterval: time.Hour})
	r.forgets = true
	r.clock.set(8 * time.Hour)
	x, tok := mk(t, r.again(), "ann")
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

// The token before the current one has no longer grace than the configuration's.
func TestRotateGraceFromTheFutureIsNoLongerThanAGrace(t *testing.T) {
	r := newRestarts(t, sessile.Config{})
	r.forgets = true
	r.clock.set(8 * time.Hour)
	s := r.again()
	x, old := mk(t, s, "ann")
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

// Lifetimes that are lowered in the configuration hold for the sessions there are, but
// for those whose login chose its own.
func TestConfigWithALowerLifetimeHoldsForExistingSessions(t *testing.T) {
	const day = 24 * time.Hour
	r := newRestarts(t, sessile.Config{TTL: 10 * day, MaxLifetime: 30 * day})
	x, tok := mk(t, r.s, "ann")
	own, ownTok, err := r.s.CreateWith(t.Context(), sessile.NewSession{UserID: "ann", TTL: 20 * day, MaxLifetime: sessile.NoMaxLifetime})
	if err != nil {
		t.Fatal(err)
	}
	r.cfg.TTL, r.cfg.MaxLifetime = 2*day, 5*day
	s := r.again()
	got, err := s.ReadByToken(t.Context(), tok)
	if err != nil || got.TTL() != 2*day || !got.ExpiresAt().Equal(x.CreatedAt().Add(2*day)) || !got.Deadline().Equal(x.CreatedAt().Add(5*day)) {
		t.Errorf("TTL %v, until %v and %v: %v", got.TTL(), got.ExpiresAt(), got.Deadline(), err)
	}
	for range 4 {
		r.clock.pass(day + time.Hour)
		got, err = s.Renew(t.Context(), x.ID())
	}
	if err != nil || !got.ExpiresAt().Equal(x.CreatedAt().Add(5*day)) {
		t.Errorf("renewed until %v: %v", got.ExpiresAt(), err)
	}
	r.clock.pass(day)
	s = r.again()
	if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
		t.Errorf("after the new lifetime: %v", err)
	}
	list, err := s.ListForUser(t.Context(), "ann")
	if err != nil || len(list) != 1 || list[0].ID() != own.ID() || list[0].TTL() != 20*day || !list[0].Deadline().IsZero() {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := s.ReadByToken(t.Context(), ownTok); err != nil {
		t.Errorf("a login that chose its own lifetimes: %v", err)
	}
	r.cfg.TTL, r.cfg.MaxLifetime = 20*day, 40*day
	if got, err := r.again().Read(t.Context(), x.ID()); err != nil || got.TTL() != 10*day {
		t.Errorf("raised again, the TTL is %v: %v", got.TTL(), err)
	}
}
