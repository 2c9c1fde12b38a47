package sessile_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"
)

// hookedMemory starts a store over a memory backend with hooks. Its periodic clean-up is off.
func hookedMemory(t *testing.T, cfg sessile.Config) (*sessile.Store, *persisttest.Hooked) {
	t.Helper()
	h := persisttest.Hook(persisttest.NewMemory(), persisttest.Hooks{})
	cfg.CleanupInterval = sessile.NoCleanup
	if cfg.CloseTimeout == 0 {
		cfg.CloseTimeout = 200 * time.Millisecond
	}
	s, err := sessile.New(h, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, h
}

// hookedFile starts a store over a file with hooks. Unless cfg says otherwise, it keeps one session
// in memory. The hooks end before the store closes.
func hookedFile(t *testing.T, cfg sessile.Config) (*sessile.Store, *persisttest.Hooked) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	h := persisttest.Hook(db, persisttest.Hooks{})
	cfg.CacheSize = max(cfg.CacheSize, 1)
	s, err := sessile.New(persisttest.HookedFile{Hooked: h}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Set(persisttest.Hooks{})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, h
}

// failApply makes commits fail with the error that fail returns.
func failApply(fail func() error) persisttest.Hooks {
	return persisttest.Hooks{Fail: func(c *persisttest.Call) error {
		if c.Method != persisttest.Apply {
			return nil
		}
		return fail()
	}}
}

// down makes every commit fail.
func down(err error) persisttest.Hooks {
	return persisttest.Hooks{Fail: persisttest.FailOn(persisttest.Apply, err)}
}

// beforeApply runs a hook before every commit.
func beforeApply(hook func(*persist.Batch)) persisttest.Hooks {
	return persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) { hook(c.Batch) })}
}

// afterRead runs a hook after every read by token, before the store sees the row.
func afterRead(hook func()) persisttest.Hooks {
	return persisttest.Hooks{After: persisttest.On(persisttest.ByHash, func(*persisttest.Call) { hook() })}
}

// changeRecords changes every row that is read by token or in a list.
func changeRecords(change func(persist.Record) persist.Record) persisttest.Hooks {
	return persisttest.Hooks{After: func(c *persisttest.Call) {
		if c.Method == persisttest.ByHash && c.Err == nil {
			c.Record = change(c.Record)
		}
		for i := range c.Listing.Records {
			c.Listing.Records[i] = change(c.Listing.Records[i])
		}
	}}
}

// within returns a context for a call that must not wait for a failing disk.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// pass advances virtual time.
func pass(d time.Duration) { <-time.NewTimer(d).C }

func readErr(t *testing.T, s *sessile.Store, tok sessile.Token) error {
	t.Helper()
	_, err := s.ReadByToken(t.Context(), tok)
	return err
}

// openIn opens a store in a new file until the test ends.
func openIn(t *testing.T, cfg sessile.Config) *sessile.Store {
	t.Helper()
	cfg.Path = filepath.Join(t.TempDir(), "s.db")
	s, err := sessile.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// login creates a session.
func login(t *testing.T, s *sessile.Store, user string) (sessile.Session, sessile.Token) {
	t.Helper()
	x, tok, err := s.Create(t.Context(), sessile.Meta{}, user, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x, tok
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// restarts is a store whose process restarts, with another clock if necessary.
type restarts struct {
	*testing.T
	clock   *twoClocks
	cfg     sessile.Config
	disk    persist.Backend
	forgets bool // a new process knows only its wall clock
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
