package behaviour

import (
	"errors"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// Fixture is a store under test, and its clock.
type Fixture struct {
	*testing.T
	Clock *Clock

	open    Opener
	variant variant
	backend Backend
	cfg     sessile.Config
	store   *sessile.Store // nil before its first use
}

func newFixture(t *testing.T, open Opener, v variant) *Fixture {
	t.Helper()
	f := &Fixture{T: t, Clock: NewClock(), open: open, variant: v, backend: open(t), cfg: v.config}
	if f.backend.SetClock != nil {
		f.Clock.tell = f.backend.SetClock
		f.Clock.Set(f.Clock.Now())
	}
	f.cfg.CleanupInterval = sessile.NoCleanup
	bridge.SetClock(&f.cfg, f.Clock.Now, nil)
	t.Cleanup(func() {
		if f.store == nil {
			return
		}
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Configure changes the configuration of the store. It comes before the first use of the store.
func (f *Fixture) Configure(change func(*sessile.Config)) {
	f.Helper()
	if f.store != nil {
		f.Fatal("the store is open already")
	}
	change(&f.cfg)
}

// Sub runs a part of a case over a backend of its own.
func (f *Fixture) Sub(name string, run func(f *Fixture)) {
	f.Helper()
	f.Run(name, func(t *testing.T) { run(newFixture(t, f.open, f.variant)) })
}

// Store returns the store, closed and opened again if the variant says so.
func (f *Fixture) Store() *sessile.Store {
	f.Helper()
	if f.variant.reopens {
		f.Reopen()
	}
	return f.Current()
}

// Current returns the store as it is.
func (f *Fixture) Current() *sessile.Store {
	f.Helper()
	if f.store == nil {
		var err error
		f.store, err = f.backend.Open(f.cfg)
		f.Must(err)
	}
	return f.store
}

// Reopen closes the store and opens it again.
func (f *Fixture) Reopen() {
	f.Helper()
	f.Must(f.Current().Close())
	f.store = nil
	f.Current()
}

// InOneProcess begins a part of a case that is about one process: Store does not open the store again.
func (f *Fixture) InOneProcess() { f.variant.reopens = false }

// Must fails the test if there is an error.
func (f *Fixture) Must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// WantErr fails the test unless err is target.
func (f *Fixture) WantErr(err, target error) {
	f.Helper()
	if !errors.Is(err, target) {
		f.Fatalf("error is %v, want %v", err, target)
	}
}

// Login creates a session.
func (f *Fixture) Login(user string) (sessile.Session, sessile.Token) {
	f.Helper()
	s, t, err := f.Store().Create(f.Context(), sessile.Meta{}, user, nil)
	f.Must(err)
	return s, t
}

// Alive fails the test unless the token opens a session.
func (f *Fixture) Alive(t sessile.Token) sessile.Session {
	f.Helper()
	s, err := f.Store().ReadByToken(f.Context(), t)
	f.Must(err)
	return s
}

// Dead fails the test if the token opens a session.
func (f *Fixture) Dead(t sessile.Token) {
	f.Helper()
	_, err := f.Store().ReadByToken(f.Context(), t)
	f.WantErr(err, sessile.ErrNotFound)
}

// shared reports whether nodes share the backend.
func (f *Fixture) shared() bool { return f.backend.SetClock != nil }

// expiryGrace returns how long the clean-up leaves an expired session. On a backend that nodes share
// another node may have renewed it.
func (f *Fixture) expiryGrace() time.Duration {
	if !f.shared() {
		return 0
	}
	const clockSkew = 10 * time.Second
	cfg := f.Current().Config()
	return cfg.BatchInterval + cfg.TouchInterval + clockSkew
}

func ids(list []sessile.Session) (ids []sessile.ID) {
	for _, s := range list {
		ids = append(ids, s.ID())
	}
	return ids
}
