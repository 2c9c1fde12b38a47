package actor

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// looked is a backend that counts how often it is looked at.
type looked struct {
	persisttest.HookedFile
	looks atomic.Int64
	again atomic.Bool
	wrote atomic.Bool // another program has, and Look is to tell
}

func newLooked(m *persisttest.Memory) *looked {
	l := new(looked)
	l.HookedFile = persisttest.HookedFile{Hooked: persisttest.Hook(m, persisttest.Hooks{
		After: persisttest.On(persisttest.Look, func(c *persisttest.Call) {
			l.looks.Add(1)
			if l.wrote.Swap(false) {
				c.Sink.Reset("another program has written")
			}
			c.Again = l.again.Load()
		}),
	})}
	return l
}

func lookedAt(t *testing.T, fn func(l *live, b *looked)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newHarness(t, nil)
		cfg := g.c.cfg
		cfg.Now = func() int64 { return time.Now().UnixMicro() }
		cfg.Tick = cfg.Now
		g.now = cfg.Now()
		b := newLooked(g.disk)
		l := &live{Actor: Start(b, cfg), harness: g}
		defer l.Close()
		fn(l, b)
	})
}

// TestLookRestsWhileTheStoreIsNotUsed: time passes in it without anybody's work.
func TestLookRestsWhileTheStoreIsNotUsed(t *testing.T) {
	lookedAt(t, func(l *live, b *looked) {
		rec := l.newSession("u")
		<-time.After(30 * 24 * time.Hour)
		if n := b.looks.Load(); n < 1 || n > 2*restAfter {
			t.Errorf("%d looks in 30 days", n)
		}
		equal(t, "lapsed", l.counts().LeaseLapsed, false)
		before := b.looks.Load()
		equal(t, "trusted unseen", l.Peek(&rec.Hash, 0) != nil, false)
		_, err := l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
		equal(t, "found", err, nil)
		synctest.Wait()
		equal(t, "looks for it", b.looks.Load()-before, 1)
		equal(t, "trusted again", l.Peek(&rec.Hash, time.Now().UnixMicro()) != nil, true)
	})
}

// TestLookAfterARestPrecedesTheFirstRead.
func TestLookAfterARestPrecedesTheFirstRead(t *testing.T) {
	lookedAt(t, func(l *live, b *looked) {
		gone, other := l.newSession("u"), l.newSession("v")
		<-time.After(time.Hour)
		ref := persist.Ref{ID: gone.ID}
		_, err := b.Apply(l.Context(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpDestroy, Ref: ref}}})
		equal(t, "destroyed by others", err, nil)
		b.wrote.Store(true)
		_, err = l.Read(l.Context(), gone.ID)
		l.is(err, persist.ErrNotFound)
		_, err = l.Find(l.Context(), persist.TokenKey{Hash: gone.Hash})
		l.is(err, persist.ErrNotFound)
		_, err = l.Read(l.Context(), other.ID)
		equal(t, "another", err, nil)
	})
}

// TestLookRunsEverySecondWhileTheStoreIsUsed, however it is used.
func TestLookRunsEverySecondWhileTheStoreIsUsed(t *testing.T) {
	const looks = 100
	for name, use := range map[string]func(l *live, b *looked, rec *persist.Record){
		"read from memory": func(l *live, _ *looked, rec *persist.Record) { l.Peek(&rec.Hash, 0) },
		"read from disk":   func(l *live, _ *looked, _ *persist.Record) { _, _ = l.Read(l.Context(), persist.ID{1}) },
		"watched": func(l *live, _ *looked, rec *persist.Record) {
			if l.counts().Watched == 0 {
				_, _ = l.Done(l.Context(), rec.ID)
			}
		},
		"the backend wants it": func(_ *live, b *looked, _ *persist.Record) { b.again.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			lookedAt(t, func(l *live, b *looked) {
				rec := l.newSession("u")
				for range looks {
					use(l, b, rec)
					<-time.After(time.Second)
				}
				if n := b.looks.Load(); n < looks-1 || n > looks+1 {
					t.Errorf("%d looks in %d seconds", n, looks)
				}
			})
		})
	}
}

// TestLookIgnoresHealthChecks: they come every few seconds, for ever.
func TestLookIgnoresHealthChecks(t *testing.T) {
	lookedAt(t, func(l *live, b *looked) {
		l.newSession("u")
		for range 100 {
			l.counts()
			<-time.After(time.Second)
		}
		if n := b.looks.Load(); n > 2*restAfter {
			t.Errorf("%d looks", n)
		}
	})
}

// TestLookCountsRowsThatReadersBring as uses of the store: their reads do not ask the loop.
func TestLookCountsRowsThatReadersBring(t *testing.T) {
	for _, used := range []bool{true, false} {
		g := newHarness(t, nil)
		row := *g.create("u")
		g.do(newCommand(func(x *lookCommand) { x.passive = true }))
		for i := range restAfter {
			if used {
				g.do(found{record: row, view: viewOf(row)})
			}
			x := newCommand(func(x *lookCommand) { x.passive = true })
			g.ok(g.do(x), x)
			equal(t, "rests", x.rest, !used && i == restAfter-1)
		}
	}
}
