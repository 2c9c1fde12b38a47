package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestTouchRenewsByTheSessionsTTLAndNotBeyondItsDeadline (S27, I6).
func TestTouchRenewsByTheSessionsTTLAndNotBeyondItsDeadline(t *testing.T) {
	g := newHarness(t, nil)
	r := g.createReq("u")
	r.record.TTL, r.record.ExpiresAt, r.record.Deadline = 1000, g.now+1000, g.now+2500
	g.do(r)
	g.settle()
	born := g.now
	for _, want := range []int64{1900, 2500} {
		g.now += 900
		a := g.touch(r.record.ID)
		equal(t, "end", g.ok(g.do(a), a).view.end()-born, want)
	}
}

// TestTouchAtTheBoundIsDroppedAndCounted: of all that waits it is worth the least (D13).
func TestTouchAtTheBoundIsDroppedAndCounted(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending = 1 })
	l := g.creates(2)
	first, again, other := g.touch(l[0].ID), g.touch(l[0].ID), g.touch(l[1].ID)
	g.ok(g.do(first), first)
	g.now += 1000
	g.ok(g.do(again), again) // costs nothing more: its session waits already
	g.ok(g.do(other), other)
	s := g.stats()
	equal(t, "touches", s.Touches, 2)
	equal(t, "dropped", s.TouchesDropped, 1)
	equal(t, "pending", s.Pending, 1)
	g.pass(interval)
	b := g.carries(0, 0, 1)
	equal(t, "written", b.Touches[0].LastActive, l[0].LastActive+1000)
}

// disturbances are what may have a session of a shared backend yield.
func disturbances(id persist.ID) map[string]message {
	return map[string]message{
		"a change by another node": invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: id}}},
		"a reset":                  reset{reason: "test"},
	}
}

// touched is the session of a shared backend with a touch that is not written.
func touched(t *testing.T) (*harness, *persist.Record, int64) {
	t.Helper()
	g := shared(t)
	rec := g.create("u")
	g.now += interval
	x := g.touch(rec.ID)
	g.ok(g.do(x), x)
	return g, rec, g.now
}

// active fails unless the disk has a session as last active at a time.
func (g *harness) active(what string, id persist.ID, active int64) {
	g.Helper()
	row, err := g.disk.ByID(g.Context(), id)
	equal(g.T, what+": error", err, nil)
	equal(g.T, what+": last active", row.LastActive, active)
}

// TestTouchIsWrittenThoughItsSessionYields, and counts until then in whatever is read.
func TestTouchIsWrittenThoughItsSessionYields(t *testing.T) {
	for name, m := range disturbances(persist.ID{1, 1}) {
		for _, again := range []bool{false, true} { // is it read before the touch is written
			g, rec, at := touched(t)
			g.do(m)
			if again {
				equal(t, name+": as read", g.find(rec.Hash).view.LastActive, at)
				r := g.list("u")
				l := g.answer(g.do(r), r).load
				listing, err := g.disk.ByUser(t.Context(), r.user)
				equal(t, name+": error", err, nil)
				equal(t, name+": as listed", g.ok(g.do(&loaded{load: l, listing: listing}), r).views[0].LastActive, at)
			}
			sync := g.sync()
			g.waits(g.do(sync), sync)
			g.carries(0, 0, 1)
			g.ok(g.settle(), sync)
			g.active(name, rec.ID, at)
			equal(t, name+": idle", g.c.idle(), true)
			g.do(reset{reason: "test"})
			equal(t, name+": pinned", g.c.hot.Len(), 0)
		}
	}
}

// TestTouchInFlightIsWrittenThoughItsSessionYieldsAndItsCommitFails.
func TestTouchInFlightIsWrittenThoughItsSessionYieldsAndItsCommitFails(t *testing.T) {
	for name, m := range disturbances(persist.ID{1, 1}) {
		for _, again := range []bool{false, true} { // is it touched again before it yields
			g, rec, at := touched(t)
			sync := g.sync()
			g.do(sync)
			g.carries(0, 0, 1)
			if again {
				at++
				g.now = at
				g.do(g.touch(rec.ID))
			}
			g.do(m)
			g.waits(g.fails(persist.ErrUnavailable), sync)
			g.pass(1_000_000)
			g.carries(0, 0, 1)
			g.ok(g.settle(), sync)
			g.active(name, rec.ID, at)
			equal(t, name+": idle", g.c.idle(), true)
		}
	}
}

// TestTouchKeepsASessionAliveThoughItYields: by its row alone it is over.
func TestTouchKeepsASessionAliveThoughItYields(t *testing.T) {
	for name, m := range disturbances(persist.ID{1, 1}) {
		g := shared(t)
		rec := g.shortLived(interval)
		g.now += interval / 2
		g.do(g.touch(rec.ID))
		g.do(m)
		g.now += interval * 3 / 4
		equal(t, name+": active", g.find(rec.Hash).view.ActiveAt(g.now), true)
		again := g.touch(rec.ID)
		g.ok(g.by(again), again)
		g.pass(interval / 2)
		g.settle()
		g.pass(interval)
		equal(t, name+": idle", g.c.idle(), true)
	}
}

// TestTouchOutlivesAChangeThatIsRefused: both leave as one write, and the data is not stored.
func TestTouchOutlivesAChangeThatIsRefused(t *testing.T) {
	for name, end := range map[string]func(*harness) *effects{
		"by itself":      func(g *harness) *effects { return g.refuses(persist.ErrCorrupt) },
		"with its batch": func(g *harness) *effects { return g.fails(persist.ErrUnavailable) },
	} {
		g := shared(t)
		rec := g.create("u")
		g.startCommit()
		g.now += 1000
		g.do(g.touch(rec.ID))
		at := g.now
		g.now += 1000
		up := g.update(rec.ID, "1")
		g.waits(g.do(up), up)
		g.settle()
		g.carries(0, 1, 0)
		g.refused(end(g), up, persist.ErrUnavailable)
		g.pass(1_000_000)
		g.carries(0, 0, 1)
		g.settle()
		g.active(name, rec.ID, at)
		g.pass(1_000_000)
		equal(t, name+": idle", g.c.idle(), true)
		row, _ := g.disk.ByID(t.Context(), rec.ID)
		equal(t, name+": data", string(row.Data), "{}")
	}
}

// TestTouchOfASessionThatIsGoneIsForgotten: nothing is told of a session that memory does not have.
func TestTouchOfASessionThatIsGoneIsForgotten(t *testing.T) {
	g, rec, _ := touched(t)
	g.do(reset{reason: "test"})
	op := persist.Op{Kind: persist.OpDestroy, Ref: persist.Ref{ID: rec.ID}}
	if _, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: []persist.Op{op}}); err != nil {
		t.Fatal(err)
	}
	sync := g.sync()
	g.do(sync)
	out := g.settle()
	g.ok(out, sync)
	equal(t, "events", happened(out, EventDestroyed), 0)
	equal(t, "idle", g.c.idle(), true)
}

// TestSyncReportsATouchThatIsGivenUp: the disk refuses it by itself, and its session has yielded.
func TestSyncReportsATouchThatIsGivenUp(t *testing.T) {
	g, _, _ := touched(t)
	g.do(reset{reason: "test"})
	sync := g.sync()
	out := g.do(sync)
	for n := range itemTries {
		g.waits(out, sync)
		if n > 0 {
			g.pass(interval)
		}
		out = g.refuses(persist.ErrCorrupt)
	}
	g.refused(out, sync, persist.ErrCorrupt)
	equal(t, "events", happened(out, EventQuarantined), 1)
	equal(t, "idle", g.c.idle(), true)
}

// TestTouchesLeaveInTheirOrderThoughTheirSessionsYield: one is in flight, and is written once more.
func TestTouchesLeaveInTheirOrderThoughTheirSessionsYield(t *testing.T) {
	g := shared(t)
	l := g.creates(4)
	g.do(g.touch(l[0].ID))
	g.pass(interval)
	for _, rec := range l[1:] {
		g.do(g.touch(rec.ID))
	}
	g.do(reset{reason: "test"})
	g.fails(persist.ErrUnavailable)
	i := 0
	for x := g.c.queue.Front(); x != nil; x = x.Next() {
		equal(t, "next in the queue", queued(x).entry.ID(), l[i].ID)
		i++
	}
	g.pass(1_000_000)
	g.carries(0, 0, 4)
	g.settle()
	equal(t, "idle", g.c.idle(), true)
}
