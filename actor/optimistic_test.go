package actor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// Epoch is what a row that is being read may be trusted by: it is zero while
// something of which a row may not know is under way, and another afterwards.
// TestEpochIsZeroWhileASecurityOperationIsPending: it is what a row that is being read
// is trusted by, zero while something of which a row may not know is in progress, and
// another afterwards.
func TestEpochIsZeroWhileASecurityOperationIsPending(t *testing.T) {
	for name, c := range map[string]func(*harness, *persist.Record) command{
		"create":      func(g *harness, _ *persist.Record) command { return g.createReq("v") },
		"destroy":     func(g *harness, r *persist.Record) command { return g.destroy(r.ID) },
		"destroy all": func(g *harness, r *persist.Record) command { return g.wipe(r.UserID) },
		"rotate":      func(g *harness, r *persist.Record) command { return g.rotate(r.ID, 7) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newHarness(t, nil)
			rec := g.create("u")
			before := g.epoch(g.pass(0))
			equal(t, "epoch before", before != 0, true)
			x := c(g, rec)
			equal(t, "epoch when it is accepted", g.epoch(g.do(x)), 0)
			equal(t, "epoch when it cannot be committed", g.epoch(g.fails(persist.ErrUnknown)), 0)
			for range 20 { // it is tried again, or undone
				if g.pass(10 * interval); g.batch == nil {
					break
				}
				g.settle()
			}
			after := g.epoch(g.pass(0))
			equal(t, "epoch afterwards", after != 0 && after != before, true)
		})
	}
}

func TestEpochChangesWithABatchAndAReset(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	before := g.epoch(g.pass(0))
	equal(t, "epoch while a change waits", g.epoch(g.do(g.update(rec.ID, "1"))), before)
	leaves := g.epoch(g.pass(interval))
	equal(t, "epoch when it leaves", leaves != 0 && leaves != before, true)
	equal(t, "epoch when it is written", g.epoch(g.settle()), leaves)
	after := g.epoch(g.do(reset{reason: "foreign writer"}))
	equal(t, "epoch after a reset", after != 0 && after != leaves, true)
	equal(t, "epoch when it closes", g.epoch(g.do(closing{})), 0)
}

func TestEpochIsZeroOnASharedBackend(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Exclusive = false })
	equal(t, "epoch", g.epoch(g.do(renew{})), 0)
}

// Who does not find a session that has changes in memory, because it is being
// ended, must not find epoch either: its row is outdated. Readers do not wait for the
// end of a step (R6: a linearizability run of 100,000 histories found it).
func TestEpochEndsBeforeASessionWithChangesLeavesMemory(t *testing.T) {
	for name, end := range map[string]func(*harness, *persist.Record) command{
		"destroy":     func(g *harness, r *persist.Record) command { return g.destroy(r.ID) },
		"destroy all": func(g *harness, r *persist.Record) command { return g.wipe(r.UserID) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 500 {
				g := newHarness(t, nil)
				rec := g.create("u")
				g.do(g.update(rec.ID, "1"))
				var trusted atomic.Bool
				var ready, reader sync.WaitGroup
				ready.Add(1)
				reader.Go(func() {
					ready.Done()
					for epoch := g.p.epoch.Load(); epoch != 0 && !trusted.Load(); epoch = g.p.epoch.Load() {
						gone := g.p.index.Get((*[32]byte)(&rec.Hash)) == nil
						trusted.Store(gone && g.p.epoch.Load() == epoch)
					}
				})
				ready.Wait()
				g.do(end(g, rec))
				reader.Wait()
				if trusted.Load() {
					t.Fatal("a reader would trust the row")
				}
			}
		})
	}
}

// A row that an optimistic read has brought is kept, but not if anything happened since.
func TestEpochAllowsTheInstallOfARowUntilItEnds(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*harness, *persist.Record)
		kept      bool
	}{
		"nothing happened":      {func(*harness, *persist.Record) {}, true},
		"another was destroyed": {func(g *harness, _ *persist.Record) { g.do(g.destroy(persist.ID{9})); g.settle() }, false},
		"something was written": {func(g *harness, _ *persist.Record) {
			g.do(g.update(g.create("v").ID, "1"))
			g.pass(interval)
			g.settle()
		}, false},
		"others write": {func(g *harness, _ *persist.Record) { g.do(reset{reason: "foreign writer"}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newHarness(t, nil)
			rec := g.create("u")
			epoch := g.epoch(g.do(reset{reason: "forget"})) // it is on disk alone
			c.meanwhile(g, rec)
			row, err := g.disk.ByHash(t.Context(), persist.TokenKey{Hash: rec.Hash})
			if err != nil {
				t.Fatal(err)
			}
			g.do(found{row, viewOf(row), false, epoch})
			g.do(found{row, viewOf(row), false, epoch}) // and once only
			equal(t, "kept", g.c.hot.ByID(rec.ID) != nil, c.kept)
		})
	}
}

// S32, D7, A1: whatever ends a session while a optimistic read has its row in hand, the
// read does not find it, and does not bring it back.
func TestReadOptimisticLosesTheRaceAgainstADestroy(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		rec := l.newSession("u")
		l.forget()
		l.disk.Set(persisttest.Hooks{After: persisttest.On(persisttest.ByHash, func(*persisttest.Call) {
			l.heal()
			l.is(l.Destroy(l.Context(), rec.ID), nil)
		})})
		for range 2 {
			_, err := l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
			l.is(err, persist.ErrNotFound)
		}
		equal(t, "in memory", l.counts().Hot, 0)
	})
}

// A optimistic read answers what the loop would, leaves the session in memory, and is counted.
func TestReadOptimisticAnswersAsTheLoopDoes(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		rec := l.newSession("u")
		l.forget()
		v, ok, err := l.optimistic(l.Context(), persist.TokenKey{Hash: rec.Hash})
		equal(t, "found", ok && err == nil && v.ID == rec.ID, true)
		synctest.Wait()
		equal(t, "the same in memory", l.Peek(&rec.Hash, l.now) == v, true)
		_, ok, err = l.optimistic(l.Context(), persist.TokenKey{Hash: persist.Hash{9}})
		equal(t, "not found", ok && errors.Is(err, persist.ErrNotFound), true)
		s := l.counts()
		equal(t, "cold reads", s.ColdReads, 2)
		equal(t, "unknown tokens", s.UnknownTokens, 1)
		_, err = l.Rotate(l.Context(), rec.ID, TokenChange{To: persist.Hash{8}})
		l.is(err, nil)
		l.forget()
		_, err = l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
		if _, rotated := errors.AsType[*RotatedError](err); !rotated {
			t.Errorf("a replaced token: %v", err)
		}
		canceled, cancel := context.WithCancel(l.Context())
		cancel()
		_, err = l.Find(canceled, persist.TokenKey{Hash: persist.Hash{7}})
		l.is(err, context.Canceled)
	})
}

// D13: so many read the disk at once, and the next ask the loop, where lines are short.
func TestReadOptimisticIsBounded(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		l.newSession("u")
		hold := make(chan struct{})
		var reading atomic.Int32
		l.before(persisttest.ByHash, func(*persisttest.Call) { reading.Add(1); <-hold })
		done := make(chan error)
		for i := range byte(mostOptimistic + 3) {
			go func() {
				_, err := l.Find(l.Context(), persist.TokenKey{Hash: persist.Hash{9, i}})
				done <- err
			}()
		}
		synctest.Wait()
		equal(t, "reading", reading.Load(), mostOptimistic+3)
		equal(t, "by the loop", l.counts().Loads, 3)
		close(hold)
		for range mostOptimistic + 3 {
			l.is(<-done, persist.ErrNotFound)
		}
		equal(t, "unknown tokens", l.counts().UnknownTokens, mostOptimistic+3)
	})
}

// TestReadOptimisticGivesItsPlaceBack, however it has ended.
func TestReadOptimisticGivesItsPlaceBack(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		rec := l.newSession("u")
		hold := make(chan struct{})
		l.before(persisttest.ByHash, func(*persisttest.Call) { <-hold })
		done := make(chan error)
		for i := range byte(2 * mostOptimistic) { // more than there are places
			go func() {
				_, err := l.Find(l.Context(), persist.TokenKey{Hash: persist.Hash{9, i}})
				done <- err
			}()
		}
		synctest.Wait()
		close(hold)
		for range 2 * mostOptimistic {
			l.is(<-done, persist.ErrNotFound)
		}
		for range 2 * mostOptimistic { // it is in memory
			_, ok, err := l.optimistic(l.Context(), persist.TokenKey{Hash: rec.Hash})
			equal(t, "found", ok && err == nil, true)
		}
		before := l.optimisticTotal.Load()
		for i := range byte(2 * mostOptimistic) {
			_, err := l.Find(l.Context(), persist.TokenKey{Hash: persist.Hash{8, i}})
			l.is(err, persist.ErrNotFound)
		}
		equal(t, "reads that did not ask the loop", l.optimisticTotal.Load()-before, 2*mostOptimistic)
	})
}
