package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestStatsPendingCountsAllThatIsNotOnDisk (I7, D20): changes, operations, and those that wait for their turn.
func TestStatsPendingCountsAllThatIsNotOnDisk(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.destroy(persist.ID{9, 1}))
	g.refuses(persist.ErrCorrupt) // waits for its turn
	equal(t, "idle with one that waits", g.c.idle(), false)
	g.do(g.destroy(persist.ID{9, 2}))
	equal(t, "pending with one under way", g.stats().Pending, 2)
	g.fails(persist.ErrUnavailable)
	equal(t, "idle with two operations", g.c.idle(), false)
	s := g.stats()
	equal(t, "pending", s.Pending, 2)
	equal(t, "stuck", s.StuckDeletes, 1)
	g.do(g.update(id, "1"))
	equal(t, "pending with a change", g.stats().Pending, 3)
	for range 3 {
		g.pass(1_000_000)
		if g.batch != nil {
			g.settle()
		}
	}
	equal(t, "pending in the end", g.stats().Pending, 0)
	equal(t, "idle in the end", g.c.idle(), true)
}

func TestStatsIdleIsFalseWithAChangeOrAnOperation(t *testing.T) {
	g := newHarness(t, nil)
	g.do(g.update(g.create("u").ID, "1"))
	g.do(g.destroy(persist.ID{9}))
	g.fails(persist.ErrUnavailable)
	equal(t, "idle", g.c.idle(), false)
}

// TestStatsReportTheAgeOfTheOldestChangeUntilItIsOnDisk (I7, D20, D21).
func TestStatsReportTheAgeOfTheOldestChangeUntilItIsOnDisk(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(3)
	age := func(want int64) {
		t.Helper()
		equal(t, "age", g.stats().OldestPending, want)
	}
	age(0)
	g.do(g.touch(l[0].ID))
	g.now += 60_000
	age(60_000)
	g.pass(40_000)
	g.now += 50_000
	age(150_000) // on its way
	g.do(g.update(l[1].ID, "1"))
	g.now += 10_000
	age(160_000)
	g.settle()
	age(10_000)
	g.pass(90_000)
	g.now += 1_000_000
	age(1_100_000)
	g.settle()
	age(0)
	g.do(g.destroy(l[2].ID))
	g.now += 30_000
	age(30_000)
	g.settle()
	age(0)
}

// TestStatsCountEveryEndAndItsEvent (S50).
func TestStatsCountEveryEndAndItsEvent(t *testing.T) {
	g := newHarness(t, nil)
	first := g.create("u")
	r := g.createReq("u")
	r.limit.Max = 1
	g.do(r)
	out := g.settle()
	equal(t, "Evicted", happened(out, EventEvicted), 1)
	equal(t, "Created", happened(out, EventCreated), 1)
	equal(t, "the first one is gone", g.c.hot.ByID(first.ID) == nil, true)
	refused := g.createReq("u")
	refused.limit = persist.Limit{Max: 1, Refuse: true}
	g.do(refused)
	out = g.settle()
	g.refused(out, refused, ErrLimitReached)
	equal(t, "LimitReached", happened(out, EventLimitReached), 1)
	g.create("u")
	w := g.wipe("u")
	g.do(w)
	out = g.settle()
	equal(t, "ended", g.ok(out, w).n, 2)
	equal(t, "Destroyed", happened(out, EventDestroyed), 2)
	s := g.stats()
	equal(t, "created", s.Created, 3)
	equal(t, "evicted", s.Evicted, 1)
	equal(t, "destroyed", s.Destroyed, 2)
}
