package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestALogOutOfAllButOneKeepsThatOne (S33): it must be the user's own, and active.
func TestALogOutOfAllButOneKeepsThatOne(t *testing.T) {
	for _, cold := range []bool{false, true} {
		g := newHarness(t, nil)
		kept, other, foreign := g.create("u"), g.create("u"), g.create("v")
		but := func(id persist.ID) command { return g.wipeBut("u", id) }
		g.cold(cold)
		r := but(foreign.ID)
		g.refused(g.by(r), r, persist.ErrNotFound)
		g.empty()
		r = but(kept.ID)
		g.by(r)
		equal(t, "in memory at once", g.c.hot.ByID(kept.ID) != nil && g.c.hot.ByID(other.ID) == nil, true)
		equal(t, "ended", g.ok(g.settle(), r).n, 1)
		_, err := g.disk.ByID(t.Context(), kept.ID)
		equal(t, "stored", err, nil)
		g.now = kept.ExpiresAt
		r = but(kept.ID)
		g.refused(g.by(r), r, persist.ErrNotFound)
	}
}

// TestLogOutsThatWaitAreOneOperation, but for a session that began in between.
func TestLogOutsThatWaitAreOneOperation(t *testing.T) {
	g := newHarness(t, nil)
	g.create("u")
	g.startCommit()
	first, second, other, but := g.wipe("u"), g.wipe("u"), g.wipe("v"), g.wipe("u")
	but.except = g.c.hot.ByKey(persist.Hash{1, 1}).ID()
	g.do(but)
	g.do(first)
	g.do(other)
	g.do(second)
	equal(t, "operations", len(g.c.ops.ready), 3)
	g.do(g.createReq("v"))
	g.do(g.wipe("u"))
	equal(t, "operations after another user's login", len(g.c.ops.ready), 4)
	g.do(g.createReq("u"))
	g.do(g.wipe("u"))
	equal(t, "operations after the user's login", len(g.c.ops.ready), 6)
}

// TestAUserWhoseLogOutIsStuckCannotLogIn: the retry would catch the new session.
func TestAUserWhoseLogOutIsStuckCannotLogIn(t *testing.T) {
	g := newHarness(t, nil)
	w := g.wipe("u")
	g.do(w)
	login := g.createReq("u") // too late to be refused at once
	g.do(login)
	g.refused(g.refuses(persist.ErrCorrupt), w, ErrNotDurable)
	g.refused(g.settle(), login, persist.ErrUnknown)
	g.carries(1, 0, 0) // and takes it back
	login = g.createReq("u")
	g.refused(g.do(login), login, persist.ErrUnavailable)
	g.settle()
	equal(t, "stuck", g.stats().StuckDeletes, 1)
	for _, user := range []string{"v", ""} {
		g.create(user)
	}
	g.pass(10_000_000)
	g.settle()
	g.create("u")
}

// log-outs of one user pile up without bound while the disk fails.
func TestDestroyUserDoesNotPileUpWhileTheDiskFails(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxTombstones, c.MaxPending = 10, 10 })
	for range 5000 {
		r := g.wipe("u")
		g.send(r)
		if g.batch != nil {
			g.batch = nil
			g.send(committed{err: persist.ErrUnavailable})
		}
		g.now += 10_000
	}
	if n := len(g.c.ops.ready); n > 100 {
		t.Fatalf("%d operations and %d tombstones (counted as %d) for one user, though MaxTombstones and MaxPending are 10", n, len(g.c.tombstones.users["u"]), g.c.tombstones.len())
	}
}
