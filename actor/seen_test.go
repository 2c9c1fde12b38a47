package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestTwoNotesOfOneSessionHoldItUntilTheLastIsOnDisk, and nothing is left of them (I8).
func TestTwoNotesOfOneSessionHoldItUntilTheLastIsOnDisk(t *testing.T) {
	g := newHarness(t, nil)
	r := g.graced(g.create("u").ID, 1)
	g.rotated(r)
	g.seen(r, g.now+2_000_000)
	g.pass(interval)
	g.carries(1, 0, 0)
	g.seen(r, g.now+1_000_000)
	g.settle()
	g.pinnedUntil(r.id, func() { g.pass(interval); g.settle() })
	equal(t, "sessions held", g.c.hot.Pinned(), 0)
}

func TestANoteThatATokenWasSeenNeverLengthensAGrace(t *testing.T) {
	g := newHarness(t, nil)
	r := g.graced(g.create("u").ID, 1)
	g.rotated(r)
	g.seen(r, g.now+1000)
	for _, until := range []int64{g.now + 1000, g.now + 2000} {
		g.seen(r, until)
		equal(t, "notes", len(g.c.ops.ready), 1)
	}
	g.seen(r, g.now+999)
	equal(t, "notes", len(g.c.ops.ready), 2)
	other := *r
	other.change.To = persist.Hash{77} // not the current token
	g.seen(&other, g.now)
	equal(t, "notes", len(g.c.ops.ready), 2)
	g.pinnedUntil(r.id, func() { g.pass(interval); g.settle() })
}

// TestASeenNoteThatTheDiskRefusesIsTriedAgainInItsTime (D11).
func TestASeenNoteThatTheDiskRefusesIsTriedAgainInItsTime(t *testing.T) {
	g := newHarness(t, nil)
	r := g.graced(g.create("u").ID, 1)
	g.rotated(r)
	g.seen(r, g.now+1_000_000)
	g.pass(interval)
	g.carries(1, 0, 0)
	out := g.refuses(persist.ErrCorrupt)
	equal(t, "tries to come", len(g.c.ops.delayed), 1)
	equal(t, "stuck", g.stats().StuckDeletes, 0) // nothing was to be deleted
	equal(t, "waits for its time", out.wake > 0 && out.wake <= 2*retryFirst, true)
	g.pass(2 * retryFirst.Microseconds())
	g.empty() // in the company of others
	g.pass(interval)
	g.carries(1, 0, 0)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), r.id)
	equal(t, "stored", rec.Until, g.now-2*retryFirst.Microseconds()-2*interval+1_000_000)
	equal(t, "idle", g.c.idle(), true)
}
