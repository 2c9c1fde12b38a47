package actor

import (
	"math/rand/v2"
	"testing"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

func TestPendingBytesAreTheDataOfEachSessionOnce(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(2)
	bytes := func(want int) {
		t.Helper()
		equal(t, "pending bytes", g.stats().PendingBytes, want)
	}
	g.do(g.touch(l[0].ID))
	bytes(0) // times are no data
	g.do(g.update(l[0].ID, "1234"))
	bytes(10)
	g.do(g.update(l[0].ID, "12"))
	bytes(8)
	g.do(g.update(l[1].ID, "1"))
	bytes(15)
	g.pass(interval)
	g.carries(0, 2, 0)
	bytes(15) // not on disk yet
	g.do(g.update(l[1].ID, "123"))
	bytes(17)
	g.settle()
	bytes(9)
	g.do(g.destroy(l[1].ID))
	bytes(0)
}

func TestATouchWhileItsSessionIsWrittenKeepsTheBytesUntilThen(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1234"))
	g.pass(interval)
	g.now++
	g.do(g.touch(id))
	equal(t, "while it is written", g.stats().PendingBytes, 10)
	g.settle()
	s := g.stats()
	equal(t, "after", s.PendingBytes, 0)
	equal(t, "pending", s.Pending, 1)
	g.pass(interval)
	g.carries(0, 0, 1)
}

// TestAVersionIsNewerThanTheOneItReplaces, whatever the dice say where others write too (I5).
func TestAVersionIsNewerThanTheOneItReplaces(t *testing.T) {
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

func TestChangesOfDataAreCounted(t *testing.T) {
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

// TestAConflictOfOurOwnIsWrittenOver (D12): where nobody else writes it is an
// earlier version whose commit was reported as unknown.
func TestAConflictOfOurOwnIsWrittenOver(t *testing.T) {
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
func TestDurableChangesThatAreGivenUpLeaveNothing(t *testing.T) {
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

// TestAChangeThatTheDiskRefusesIsGivenUpAfterFiveTries (D11): the others are not
// held up, and memory shows what is stored.
func TestAChangeThatTheDiskRefusesIsGivenUpAfterFiveTries(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pass(interval)
	barrier := g.sync()
	g.waits(g.do(barrier), barrier)
	for range 4 {
		out := g.refuses(persist.ErrCorrupt)
		g.waits(out, barrier)
		equal(t, "Quarantined", happened(out, Quarantined), 0)
		g.carries(0, 1, 0)
	}
	out := g.refuses(persist.ErrCorrupt)
	g.refused(out, barrier, persist.ErrCorrupt)
	equal(t, "Quarantined", happened(out, Quarantined), 1)
	s := g.stats()
	equal(t, "quarantined", s.Quarantined, 1)
	equal(t, "in memory", s.Hot, 0)
	equal(t, "batch failures", s.BatchFailures, 0)
	equal(t, "idle", g.c.idle(), true)
}

func TestAChangeThatTheDiskRefusesWaitsABatchIntervalForItsNextTry(t *testing.T) {
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

// TestTheCountOfTriesBeginsAnewWhenAChangeIsStored (D11).
func TestTheCountOfTriesBeginsAnewWhenAChangeIsStored(t *testing.T) {
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

// TestWhatIsNotOnDiskIsKeptFromEviction (D6), and no longer than that (I8).
func TestWhatIsNotOnDiskIsKeptFromEviction(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pinnedUntil(id, func() { g.pass(interval); g.settle() })
}

// TestEachReasonToKeepASessionIsEnough: a change, a watcher, a rotation.
func TestEachReasonToKeepASessionIsEnough(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	w, rot := g.watch(id), g.rotate(id, 1)
	done := g.ok(g.do(w), w).done
	leave := g.unwatch(id, done)
	g.do(g.update(id, "1"))
	g.pinnedUntil(id, func() {
		g.pass(interval)
		g.settle() // written
		g.pinnedUntil(id, func() {
			g.do(rot)
			g.do(leave) // nobody watches
			g.pinnedUntil(id, func() {
				g.settle() // rotated
			})
		})
	})
}
