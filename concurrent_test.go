package sessile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestConcurrentClientsKeepEveryPromise: many clients make random calls at once on a store that
// keeps few of their sessions in memory. The ledger of what they were told must hold, also after a
// restart.
func TestConcurrentClientsKeepEveryPromise(t *testing.T) {
	const clients, steps = 1000, 10
	cfg := sessile.Config{Path: filepath.Join(t.TempDir(), "s.db"), CacheSize: 200, BatchInterval: 2 * time.Millisecond}
	s, err := sessile.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	want := ledger.New()
	list := make([]*harness.Client, clients)
	for i := range list {
		list[i] = &harness.Client{
			Store: s, User: fmt.Sprint("user", i), Max: 10, Patience: time.Minute,
			Faulty: true, // a thousand at once may overload the store; then nothing was done
			Record: func(e ledger.Entry) { mu.Lock(); defer mu.Unlock(); want.Add(e) },
		}
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range steps {
				list[i].Step(r)
			}
		})
	}
	all.Wait()
	for _, c := range list {
		for _, v := range c.Found() {
			t.Error(v)
		}
	}
	for range 2 { // in memory, and after a restart
		for _, v := range want.Check(t.Context(), s, ledger.Settled) {
			t.Error(v)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = sessile.Open(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// mixer is one of several callers in TestConcurrentCallsUnderFaultsKeepTheirPromises.
type mixer struct {
	*testing.T
	s    *sessile.Store
	user string
}

// refused fails the test unless reads refuse what was destroyed.
func (m *mixer) refused(what string, err error, id sessile.ID) {
	if err != nil && !errors.Is(err, sessile.ErrNotDurable) {
		return
	}
	if _, readErr := m.s.Read(m.Context(), id); readErr == nil {
		m.Errorf("%s returned %v, and the session is there", what, err)
	}
}

// step creates a session, changes it, rotates its token and perhaps ends it.
func (m *mixer) step(i int) {
	ctx, cancel := context.WithTimeout(m.Context(), time.Duration(1+i%50)*time.Millisecond)
	defer cancel()
	x, old, err := m.s.Create(ctx, sessile.Meta{}, m.user, nil)
	if err != nil {
		return
	}
	_, _ = m.s.Update(ctx, x.ID(), new(sessile.Changes).Set("k", i))
	if _, _, err := m.s.Rotate(ctx, x.ID(), sessile.Rotation{Grace: i%2 == 0}); err == nil && i%2 == 1 {
		if readErr(m.T, m.s, old) == nil {
			m.Error("a token that was replaced without a grace opens the session")
		}
	}
	switch i % 4 {
	case 0:
		m.refused("Destroy", m.s.Destroy(ctx, x.ID()), x.ID())
	case 1:
		_, _ = m.s.DestroyAllExcept(ctx, m.user, x.ID())
	case 2:
		_, err := m.s.DestroyAllForUser(ctx, m.user)
		m.refused("DestroyAllForUser", err, x.ID())
	}
}

// TestConcurrentCallsUnderFaultsKeepTheirPromises: every seventh commit fails, and every seventh
// succeeds but is reported as unknown.
func TestConcurrentCallsUnderFaultsKeepTheirPromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{CacheSize: 3, BatchInterval: time.Millisecond, MaxSessionsPerUser: 4, CloseTimeout: 2 * time.Second})
		commits := 0
		h.Set(persisttest.Hooks{
			Fail: func(c *persisttest.Call) error {
				if c.Method != persisttest.Apply {
					return nil
				}
				if commits++; commits%7 == 0 {
					return persist.ErrUnavailable
				}
				return nil
			},
			After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				if commits%7 == 3 {
					c.Err = persist.ErrUnknown
				}
			}),
		})
		var all sync.WaitGroup
		for w := range 6 {
			all.Go(func() {
				m := &mixer{t, s, fmt.Sprint("u", w%2)}
				for i := range 500 {
					m.step(i)
				}
			})
		}
		all.Wait()
		h.Set(persisttest.Hooks{})
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); st.Tombstones != 0 || st.Loads != 0 || st.Pending != 0 {
			t.Errorf("%+v", st)
		}
	})
}
