package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestSeenTwiceKeepsTheSessionInMemoryUntilTheLastIsOnDisk, and nothing is left of them (I8).
func TestSeenTwiceKeepsTheSessionInMemoryUntilTheLastIsOnDisk(t *testing.T) {
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

func TestSeenNeverExtendsAGrace(t *testing.T) {
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

// TestSeenThatTheDiskRefusesIsRetriedAtItsTime (D11).
func TestSeenThatTheDiskRefusesIsRetriedAtItsTime(t *testing.T) {
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

func TestSeenAtTheBoundIsDropped(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending = 1 })
	l := g.creates(2)
	r := g.rotate(l[0].ID, 1)
	r.change.Until = persist.Unseen
	g.do(r)
	g.settle()
	g.do(g.touch(l[1].ID))
	n := g.seenNote(l[0].ID, r.change.To, g.now+1000)
	g.ok(g.do(n), n)
	equal(t, "pending", g.stats().Pending, 1)
}

func TestSeenWaitsForItsBatch(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	r := g.rotate(id, 1)
	r.change.Until = persist.Unseen
	g.do(r)
	g.ok(g.settle(), r)
	n := g.seenNote(id, r.change.To, g.now+5_000_000)
	out := g.do(n)
	g.ok(out, n)
	equal(t, "wake", out.wake, micro(interval))
	equal(t, "age", g.stats().OldestPending, 0)
	equal(t, "wake", g.pass(interval-1).wake, micro(1))
	equal(t, "age", g.stats().OldestPending, interval-1)
	g.empty()
	g.pass(1)
	g.carries(1, 0, 0)
}

// TestSeenEndsTheGraceOfASessionThatHasYieldedMeanwhile: the row that was read had no end of it yet.
func TestSeenEndsTheGraceOfASessionThatHasYieldedMeanwhile(t *testing.T) {
	for name, news := range map[string]func(persist.ID) message{
		"a change by another node": func(id persist.ID) message {
			return invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: id}}}
		},
		"a reset": func(persist.ID) message { return reset{reason: "test"} },
	} {
		g := shared(t)
		rec := g.create("u")
		r := g.graced(rec.ID, 1)
		g.rotated(r)
		end := g.now + 2_000_000
		n := g.seenNote(rec.ID, r.change.To, end)
		g.waits(g.do(n), n)
		g.do(news(rec.ID))
		g.do(renew{g.now})
		equal(t, name+": end before it is stored", g.find(rec.Hash).view.Until, persist.Unseen)
		g.ok(g.settle(), n)
		g.do(renew{g.now})
		equal(t, name+": end", g.find(rec.Hash).view.Until, end)
		equal(t, name+": idle", g.c.idle(), true)
	}
}
