package sessile_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

func TestSyncWaitsForAnItemThatTheDiskRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{BatchInterval: 200 * time.Millisecond})
		x, _ := login(t, s, "u")
		refusals, refused := 0, false
		h.Set(persisttest.Hooks{ // one item fails alone, three times
			Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				if refused = len(c.Batch.Writes) == 1 && refusals < 3; refused {
					refusals++
					c.Batch = new(persist.Batch)
				}
			}),
			After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				if refused {
					c.Result.Writes = []persist.Outcome{{Status: persist.StatusFailed, Err: errors.New("damaged page")}}
				}
			}),
		})
		if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("k", 1)); err != nil {
			t.Fatal(err)
		}
		err := s.Sync(t.Context())
		r, _ := h.ByID(t.Context(), persist.ID(x.ID()))
		if err != nil || string(r.Data) != `{"k":1}` || refusals != 3 {
			t.Errorf("Sync: %v; on disk: %s, after %d refusals", err, r.Data, refusals)
		}
	})
}

// TestSyncMakesEverythingBeforeItDurable: when Sync returns, everything acknowledged before is on
// disk in its newest version, however often the disk failed meanwhile (D12, D18).
func TestSyncMakesEverythingBeforeItDurable(t *testing.T) {
	s, g := hookedFile(t, sessile.Config{BatchInterval: time.Millisecond})
	var commits atomic.Int32
	g.Set(failApply(func() error {
		if n := commits.Add(1); n > 1 && n < 5 { // the first is the login's
			return persist.ErrUnavailable
		}
		return nil
	}))
	x, _ := login(t, s, "ann")
	for n := range 50 {
		if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("n", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := g.ByID(t.Context(), persist.ID(x.ID()))
	if err != nil || string(r.Data) != `{"n":49}` {
		t.Fatalf("on disk: %s, %v", r.Data, err)
	}
}
