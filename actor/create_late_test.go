package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// late is a core whose create of unknown outcome was destroyed too early, and that create.
func late(t *testing.T) (*harness, *createCommand, *persist.Batch) {
	t.Helper()
	g := shared(t)
	x := g.createReq("u")
	g.do(x)
	hangs := g.batch
	g.refused(g.fails(persist.ErrUnknown), x, persist.ErrUnknown)
	g.pass(interval)
	g.carries(1, 0, 0)
	g.settle()
	g.empty()
	return g, x, hangs
}

// TestCreateThatIsCommittedLateIsDestroyed: nobody has its token, and no event tells of it.
func TestCreateThatIsCommittedLateIsDestroyed(t *testing.T) {
	for name, notice := range map[string]func(*harness, *createCommand) *effects{
		"after a second":       func(g *harness, _ *createCommand) *effects { return g.pass(1_000_000) },
		"when the feed begins": func(g *harness, _ *createCommand) *effects { return g.do(reset{reason: "test"}) },
		"when it is listed": func(g *harness, _ *createCommand) *effects {
			r := g.list("u")
			l := g.answer(g.do(r), r).load
			listing, _ := g.disk.ByUser(t.Context(), r.user)
			out := g.do(&loaded{load: l, listing: listing})
			equal(t, "listed", len(g.ok(out, r).views), 0)
			return out
		},
		"when it is read": func(g *harness, x *createCommand) *effects {
			r := g.readID(x.record.ID)
			out := g.by(r)
			g.refused(out, r, persist.ErrNotFound)
			return out
		},
	} {
		g, x, hangs := late(t)
		if _, err := g.disk.Apply(t.Context(), hangs); err != nil {
			t.Fatal(err)
		}
		notice(g, x)
		b := g.carries(1, 0, 0)
		equal(t, name+": destroys", b.Ops[0].Ref.ID, x.record.ID)
		equal(t, name+": told", happened(g.settle(), EventDestroyed), 1)
		if _, err := g.disk.ByID(t.Context(), x.record.ID); err == nil {
			t.Errorf("%s: it exists", name)
		}
		for range 20 {
			g.pass(60_000_000)
			g.empty() // it is committed once
		}
	}
}

// TestCreateOfUnknownOutcomeIsDestroyedUntilItWouldHaveEnded, with pauses that double.
func TestCreateOfUnknownOutcomeIsDestroyedUntilItWouldHaveEnded(t *testing.T) {
	g, x, _ := late(t)
	began, tries := g.now-interval, 0
	for g.now < x.record.ExpiresAt+1 {
		out := g.pass(1_000_000)
		if g.batch != nil {
			tries++
			equal(t, "seconds", (g.now-began)/1_000_000, int64(1)<<tries-1)
			out = g.settle()
		}
		if len(g.c.late.due) > 0 && out.wake == never {
			t.Fatal("nothing wakes the loop")
		}
	}
	equal(t, "destroys in an hour", tries, 11)
	g.pass(3_600_000_000)
	equal(t, "remembered", len(g.c.late.byID), 0)
	equal(t, "wake", g.pass(1).wake, never)
}

// TestCreatesOfUnknownOutcomeAreRememberedUpToABound.
func TestCreatesOfUnknownOutcomeAreRememberedUpToABound(t *testing.T) {
	g := shared(t)
	for i := range mostLate + 10 {
		rec := g.record("u")
		rec.ID = persist.ID{3, byte(i >> 8), byte(i)}
		g.c.late.add(rec, g.now+int64(i))
	}
	equal(t, "remembered", len(g.c.late.byID), mostLate)
	equal(t, "due", len(g.c.late.due), mostLate)
	g.now += 2_000_000
	g.do(wakeUp{})
	equal(t, "destroyed in one step", len(g.c.tombstones.sessions), sliceSize)
}

// TestCreateOfUnknownOutcomeIsDestroyedOnceWhereNobodyElseWrites: its commit cannot come later.
func TestCreateOfUnknownOutcomeIsDestroyedOnceWhereNobodyElseWrites(t *testing.T) {
	g := newHarness(t, nil)
	x := g.createReq("u")
	g.do(x)
	g.refused(g.fails(persist.ErrUnknown), x, persist.ErrUnknown)
	g.pass(interval)
	g.settle()
	equal(t, "remembered", len(g.c.late.byID), 0)
}
