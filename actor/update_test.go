package actor

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// TestUpdateAcceptsDataUpToItsBoundOnly (S45), but what is too much already may shrink.
func TestUpdateAcceptsDataUpToItsBoundOnly(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	try := func(bound int, value string) error {
		r := g.update(id, value)
		r.maxData = bound
		return g.answer(g.do(r), r).err
	}
	equal(t, "at the bound", try(10, "1234"), nil) // {"k":1234}
	equal(t, "beyond it", errors.Is(try(10, "12345"), ErrDataTooLarge), true)
	equal(t, "as much of too much", errors.Is(try(9, "4321"), ErrDataTooLarge), true)
	equal(t, "less of too much", try(8, "321"), nil)
	g.pass(interval)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"k":321}`)
}

// TestUpdateThatWaitsAtTheBoundEndsWithItsContext (D13, I9), and was never accepted.
func TestUpdateThatWaitsAtTheBoundEndsWithItsContext(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxPending, c.MaxWaiting, c.Patience = 1, 1, time.Second }, func(l *live) {
		a, b := l.newSession("u"), l.newSession("v")
		l.is(l.set(l.Context(), a.ID, false), nil)
		ctx, cancel := context.WithTimeout(l.Context(), 10*time.Millisecond)
		defer cancel()
		err := l.set(ctx, b.ID, false)
		l.is(err, ErrOverloaded)
		l.is(err, context.DeadlineExceeded)
		l.is(l.Sync(l.Context()), nil)
		l.is(l.set(l.Context(), b.ID, false), nil) // there is room again
		equal(t, "changes", l.counts().Flushes, 2)
	})
}

// TestUpdateVersionIsNewerThanTheOneItReplaces, whatever the dice say where others write too (I5).
func TestUpdateVersionIsNewerThanTheOneItReplaces(t *testing.T) {
	for _, exclusive := range []bool{true, false} {
		g := newHarness(t, func(c *Config) { c.Exclusive = exclusive })
		g.c.rng = rand.New(dice{})
		equal(t, "the least", g.c.mint(5), 6)
	}
	s := newHarness(t, func(c *Config) { c.Exclusive = false }).c
	for range 100 {
		if v := s.mint(5); v < 6 || v >= 6+1<<40 {
			t.Fatal(v)
		}
	}
}

func TestUpdateIsCounted(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	r := g.flush(id, object.FromStored([]byte(`{"a":1}`)), g.now, g.now+1000)
	g.ok(g.do(r), r)
	equal(t, "flushes", g.stats().Flushes, 2)
	g.pass(interval)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"a":1}`)
	equal(t, "end", rec.ExpiresAt, g.now-interval+1000)
}

// TestUpdateThatConflictsWithItsOwnRetryIsWrittenOver (D12): where nobody else writes it is an
// earlier version whose commit was reported as unknown.
func TestUpdateThatConflictsWithItsOwnRetryIsWrittenOver(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pass(interval)
	g.commit() // done,
	g.do(g.update(id, "2"))
	g.fails(persist.ErrUnknown) // and not known to be
	g.pass(1_000_000)
	g.settle()
	equal(t, "conflicts", g.stats().Conflicts, 1)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"k":2}`)
	equal(t, "idle", g.c.idle(), true)
}

// While a commit hangs, every durable change of one session that its caller gave up left
// its request behind (D13, I8).
func TestUpdateDurableThatIsAbandonedLeavesNothing(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.startCommit() // and it hangs
	for range 100 {
		r := g.durable(rec.ID, "1")
		g.do(r)
		g.do(abandon{call: r.base()})
	}
	equal(t, "those that wait", g.c.dirty[rec.ID].wait.n, 0)
	equal(t, "places in the next batch", len(g.c.durable), 1)
	last := g.durable(rec.ID, "2")
	g.do(last)
	g.settle()
	g.ok(g.settle(), last)
}

// TestUpdateThatTheDiskRefusesIsDroppedAfterFiveTries (D11): the others are not
// held up, and memory shows what is stored.
func TestUpdateThatTheDiskRefusesIsDroppedAfterFiveTries(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pass(interval)
	barrier := g.sync()
	g.waits(g.do(barrier), barrier)
	for range 4 {
		out := g.refuses(persist.ErrCorrupt)
		g.waits(out, barrier)
		equal(t, "Quarantined", happened(out, EventQuarantined), 0)
		g.carries(0, 1, 0)
	}
	out := g.refuses(persist.ErrCorrupt)
	g.refused(out, barrier, persist.ErrCorrupt)
	equal(t, "Quarantined", happened(out, EventQuarantined), 1)
	s := g.stats()
	equal(t, "quarantined", s.Quarantined, 1)
	equal(t, "in memory", s.Hot, 0)
	equal(t, "batch failures", s.BatchFailures, 0)
	equal(t, "idle", g.c.idle(), true)
}

func TestUpdateThatTheDiskRefusesIsRetriedAfterABatchInterval(t *testing.T) {
	g := newHarness(t, nil)
	r := g.durable(g.create("u").ID, "1")
	g.do(r)
	out := g.refuses(persist.ErrCorrupt)
	g.refused(out, r, persist.ErrCorrupt)
	equal(t, "wake", out.wake, micro(interval))
	g.pass(interval - 1)
	g.empty()
	g.pass(1)
	g.carries(0, 1, 0)
}

// TestUpdateResetsItsTriesWhenItIsStored (D11).
func TestUpdateResetsItsTriesWhenItIsStored(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	for range 2 {
		g.do(g.update(id, "1"))
		g.pass(interval)
		for range 3 {
			g.do(g.update(id, "2")) // it is never at rest
			g.refuses(persist.ErrCorrupt)
			g.pass(interval)
		}
		g.do(g.update(id, "3"))
		g.settle()
		g.pass(interval)
	}
	equal(t, "quarantined", g.stats().Quarantined, 0)
}

func TestUpdateDurableStartsABatchAtOnceAndAlone(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(2)
	g.do(g.touch(l[0].ID))
	r := g.durable(l[1].ID, "1")
	g.waits(g.do(r), r)
	b := g.carries(0, 1, 0)
	equal(t, "written", b.Writes[0].Ref.ID, l[1].ID)
	g.ok(g.settle(), r)
	g.empty()
}

func TestUpdateIsAcknowledgedBeforeItsBatch(t *testing.T) {
	g := newHarness(t, nil)
	r := g.update(g.create("u").ID, "1")
	out := g.do(r)
	g.ok(out, r)
	equal(t, "wake", out.wake, micro(interval))
	g.empty()
}

func TestUpdateDurableTwiceIsOneWrite(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.startCommit()
	a, b := g.durable(id, "1"), g.durable(id, "2")
	g.do(a)
	g.do(b)
	g.settle()
	g.carries(0, 1, 0)
	out := g.settle()
	g.ok(out, a)
	g.ok(out, b)
	rec, err := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"k":2}`)
	equal(t, "error", err, nil)
}

// TestUpdateThatTheDiskRefusesByItselfIsNotStored where others write too: its caller is told that nothing was done. What waits
// behind it is applied to the row.
func TestUpdateThatTheDiskRefusesByItselfIsNotStored(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	bad, good := g.update(rec.ID, "1"), g.update(rec.ID, "2")
	bad.changes[0].Key, good.changes[0].Key = "bad", "good"
	g.waits(g.do(bad), bad)
	g.waits(g.do(good), good)
	out := g.refuses(persist.ErrCorrupt)
	g.refused(out, bad, persist.ErrUnavailable)
	equal(t, "events", happened(out, EventQuarantined), 1)
	g.waits(g.reload(out, good, rec.ID), good)
	g.ok(g.settle(), good)
	equal(t, "given up", g.stats().Quarantined, 1)
	for range 10 {
		g.pass(1_000_000)
		g.empty()
	}
	row, err := g.disk.ByID(t.Context(), rec.ID)
	equal(t, "error", err, nil)
	equal(t, "stored", string(row.Data), `{"good":2}`)
	equal(t, "in memory", string(g.find(rec.Hash).view.Doc.JSON()), `{"good":2}`)
}
