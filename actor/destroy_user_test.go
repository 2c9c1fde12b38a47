package actor

import (
	"errors"
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestDestroyUserExceptOneKeepsThatOne (S33): it must be the user's own, and active.
func TestDestroyUserExceptOneKeepsThatOne(t *testing.T) {
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

// TestDestroyUserJoinsAWaitingOperation, but for a session that began in between.
func TestDestroyUserJoinsAWaitingOperation(t *testing.T) {
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

// log-outs of one user pile up without bound while the disk fails.
func TestDestroyUserDoesNotPileUpWhileTheDiskFails(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxTombstones, c.MaxPending = 10, 10 })
	for range 5000 {
		r := g.wipe("u")
		g.send(r)
		if g.batch != nil {
			g.batch = nil
			g.send(batchDone{err: persist.ErrUnavailable})
		}
		g.now += 10_000
	}
	if n := len(g.c.ops.ready); n > 100 {
		t.Fatalf("%d operations and %d tombstones (counted as %d) for one user, though MaxTombstones and MaxPending are 10", n, len(g.c.tombstones.users["u"]), g.c.tombstones.len())
	}
}

// inPieces is a harness with n sessions of u, whose log-out leaves in pieces of two.
func inPieces(t *testing.T, n int) (g *harness, l []*persist.Record) {
	g = newHarness(t, nil)
	g.c.bulk.rows, g.c.bulk.most = 2, 2
	for range n {
		l = append(l, g.create("u"))
	}
	return g, l
}

// stored counts the sessions of a user on disk.
func (g *harness) stored(user string) int {
	g.Helper()
	l, err := g.disk.ByUser(g.Context(), persist.UserKey{ID: user})
	if err != nil {
		g.Fatal(err)
	}
	return len(l.Records)
}

// finish settles commits until x is answered.
func (g *harness) finish(x command) response {
	g.Helper()
	for range 20 {
		if out := g.settle(); x.base().answered {
			return g.answer(out, x)
		}
	}
	g.Fatal("it does not end")
	return response{}
}

func TestDestroyUserOfManyCommitsInPieces(t *testing.T) {
	g, l := inPieces(t, 5)
	x := g.wipe("u")
	g.waits(g.do(x), x)
	for _, rec := range l {
		equal(t, "opens", g.opens(rec.Hash), false)
	}
	events := 0
	for _, left := range []int{3, 1} {
		out := g.settle()
		g.waits(out, x)
		equal(t, "left on disk", g.stored("u"), left)
		events += happened(out, EventDestroyed)
	}
	for _, rec := range l {
		equal(t, "opens", g.opens(rec.Hash), false)
	}
	out := g.settle()
	equal(t, "ended", g.ok(out, x).n, 5)
	equal(t, "events", events+happened(out, EventDestroyed), 5)
	equal(t, "counted", g.stats().Destroyed, 5)
	equal(t, "left on disk", g.stored("u"), 0)
	equal(t, "at rest", g.c.idle() && g.c.tombstones.len() == 0, true)
}

// TestDestroyUserInPiecesSparesALoginBetweenThem: it is found in memory and on disk, and a
// second log-out ends it too.
func TestDestroyUserInPiecesSparesALoginBetweenThem(t *testing.T) {
	g, _ := inPieces(t, 7)
	first := g.wipe("u")
	g.do(first)
	g.settle()
	login := g.createReq("u")
	g.do(login)
	g.settle() // the second piece was in flight
	g.ok(g.settle(), login)
	equal(t, "opens", g.opens(login.record.Hash), true)
	g.do(reset{reason: "test"})
	equal(t, "opens, cold", g.opens(login.record.Hash), true)
	second := g.wipe("u")
	g.do(second)
	equal(t, "opens after the second", g.opens(login.record.Hash), false)
	for g.batch != nil {
		g.settle()
	}
	equal(t, "answered", first.answered && second.answered && first.err == nil && second.err == nil, true)
	equal(t, "ended by both", first.n+second.n, 8) // each session once
	equal(t, "left on disk", g.stored("u"), 0)
}

// okIn is how many sessions an answer without an error counts.
func (g *harness) okIn(a response) int {
	g.Helper()
	g.okay(a)
	return a.n
}

// TestDestroyUserInPiecesKeepsOneSession, wherever that is among them, and a login that
// replaces it.
func TestDestroyUserInPiecesKeepsOneSession(t *testing.T) {
	for keep := range 5 {
		for _, replaced := range []bool{false, true} {
			g, l := inPieces(t, 5)
			x := g.wipeBut("u", l[keep].ID)
			g.do(x)
			kept := l[keep].Hash
			g.settle()
			if replaced {
				login := g.relogin(l[keep], persist.Limit{})
				g.do(login)
				kept = login.record.Hash
			}
			n := 4
			if !x.answered {
				n = g.okIn(g.finish(x))
			}
			for g.batch != nil {
				g.settle()
			}
			equal(t, "ended", n, 4)
			equal(t, "opens", g.opens(kept), true)
			equal(t, "left on disk", g.stored("u"), 1)
		}
	}
}

// TestDestroyUserInPiecesCountsWhatALoginReplacesOnce: as that login's.
func TestDestroyUserInPiecesCountsWhatALoginReplacesOnce(t *testing.T) {
	g, l := inPieces(t, 5)
	x := g.wipe("u")
	g.do(x)
	g.settle()
	login := g.relogin(l[0], persist.Limit{}) // the last one to be deleted
	g.do(login)
	g.settle()
	g.ok(g.settle(), login)
	equal(t, "ended", g.okIn(g.finish(x)), 4)
	equal(t, "counted", g.stats().Destroyed, 5)
	equal(t, "left on disk", g.stored("u"), 1)
}

// TestDestroyUserLeavesWholeForALoginWithALimit: what it has left does not count.
func TestDestroyUserLeavesWholeForALoginWithALimit(t *testing.T) {
	for _, before := range []bool{false, true} {
		g, _ := inPieces(t, 9)
		x, login := g.wipe("u"), g.createReq("u")
		login.limit = persist.Limit{Max: 1, Refuse: true}
		if g.do(x); !before {
			g.settle() // and the second piece is in flight
		}
		g.do(login)
		g.settle()
		g.waits(g.do(wakeUp{}), login)
		b := g.carries(2, 0, 0)
		equal(t, "the rest goes first, and whole", b.Ops[0].Kind == persist.OpDestroyUser && b.Ops[0].Max == 0, true)
		out := g.settle()
		g.ok(out, login)
		equal(t, "ended", g.ok(out, x).n, 9)
		equal(t, "opens", g.opens(login.record.Hash), true)
		equal(t, "left on disk", g.stored("u"), 1)
	}
}

// TestDestroyUserInPiecesGoesOnAfterAFailure, whether the piece was done or not: the caller
// is told, and no session is left.
func TestDestroyUserInPiecesGoesOnAfterAFailure(t *testing.T) {
	for name, fail := range map[string]func(*harness) *effects{
		"not done":             func(g *harness) *effects { return g.fails(persist.ErrUnavailable) },
		"unknown and not done": func(g *harness) *effects { return g.fails(persist.ErrUnknown) },
		"unknown and done": func(g *harness) *effects {
			g.commit()
			return g.fails(persist.ErrUnknown)
		},
		"refused": func(g *harness) *effects { return g.refuses(persist.ErrCorrupt) },
	} {
		for piece := range 3 {
			t.Run(name, func(t *testing.T) {
				g, l := inPieces(t, 7)
				x := g.wipe("u")
				g.do(x)
				for range piece {
					g.settle()
				}
				g.refused(fail(g), x, ErrNotDurable)
				equal(t, "opens", g.opens(l[0].Hash), false)
				for range 20 {
					if g.pass(2_000_000); g.batch != nil {
						g.settle()
					}
				}
				equal(t, "left on disk", g.stored("u"), 0)
				equal(t, "at rest", g.c.idle() && g.c.tombstones.len() == 0 && g.stats().StuckDeletes == 0, true)
				g.create("u")
			})
		}
	}
}

// TestDestroyUserInPiecesThatIsGivenUpGoesOn.
func TestDestroyUserInPiecesThatIsGivenUpGoesOn(t *testing.T) {
	g, _ := inPieces(t, 5)
	x := g.wipe("u")
	g.do(x)
	g.settle()
	a := g.answer(g.do(abandon{x.base(), false}), x)
	left, ok := errors.AsType[*leftError](a.err)
	equal(t, "not durable", ok && errors.Is(left.state, ErrNotDurable), true)
	for g.batch != nil {
		g.settle()
	}
	equal(t, "left on disk", g.stored("u"), 0)
}

// TestCloseWritesTheRestOfALogOutAtOnce.
func TestCloseWritesTheRestOfALogOutAtOnce(t *testing.T) {
	g, _ := inPieces(t, 9)
	x := g.wipe("u")
	g.do(x)
	g.settle()
	g.do(closing{})
	g.settle()
	equal(t, "all that is left", g.carries(1, 0, 0).Ops[0].Max, 0)
	equal(t, "ended", g.ok(g.settle(), x).n, 9)
	equal(t, "idle", g.c.idle(), true)
}

// TestCloseThatGivesUpALogOutInPiecesTellsSo.
func TestCloseThatGivesUpALogOutInPiecesTellsSo(t *testing.T) {
	g, _ := inPieces(t, 5)
	x := g.wipe("u")
	g.do(x)
	g.settle()
	g.do(closing{})
	g.c.finished = true
	g.refused(g.fails(persist.ErrUnavailable), x, ErrNotDurable)
	equal(t, "not on disk", g.c.ops.len(), 1)
}

// TestLogOutInPiecesLeavesEverySecondCommitToOthers: those that wait, not those that have time.
func TestLogOutInPiecesLeavesEverySecondCommitToOthers(t *testing.T) {
	g, _ := inPieces(t, 30)
	g.do(g.wipe("u"))
	login := g.createReq("v")
	g.do(login)
	g.settle() // the first piece, which is nobody's bulk
	g.carries(2, 0, 0)
	g.ok(g.settle(), login)
	for range 3 {
		login = g.createReq("v")
		g.carries(1, 0, 0) // a piece
		g.do(login)
		g.settle()
		equal(t, "a login alone", g.carries(1, 0, 0).Ops[0].Kind, persist.OpCreate)
		g.ok(g.settle(), login)
	}
}

// TestTwoLogOutsInPiecesShareACommit: no commit has more than one has room for.
func TestTwoLogOutsInPiecesShareACommit(t *testing.T) {
	g, _ := inPieces(t, 5)
	for range 5 {
		g.create("v")
	}
	g.startCommit()
	x, y := g.wipe("u"), g.wipe("v")
	g.do(x)
	g.do(y)
	g.settle()
	g.carries(2, 0, 0) // the first pieces come in their turn
	g.settle()
	for range 4 {
		g.carries(1, 0, 0)
		g.settle()
	}
	equal(t, "answered", x.answered && y.answered && x.n == 5 && y.n == 5, true)
}

// TestSyncWaitsForTheLastPiece: a change of a session that it ends is not on disk before.
func TestSyncWaitsForTheLastPiece(t *testing.T) {
	g, l := inPieces(t, 5)
	g.do(g.update(l[0].ID, "1"))
	g.do(g.wipe("u"))
	sync := g.sync()
	g.waits(g.do(sync), sync)
	for range 2 {
		g.waits(g.settle(), sync)
	}
	g.ok(g.settle(), sync)
}

// TestDestroyUserJoinsAnOperationUnlessASessionHasBegunSince: that one must be ended too.
func TestDestroyUserJoinsAnOperationUnlessASessionHasBegunSince(t *testing.T) {
	x := newTombstones()
	op := &destroyUserOp{}
	op.stage = ready
	x.addUser(&userTombstone{user: "u", order: 5, op: op})
	equal(t, "joined", x.joinable("u", persist.ID{}) == op, true)
	equal(t, "with another to keep", x.joinable("u", persist.ID{1}) == nil, true)
	x.creating("u", 6, false, 1)
	equal(t, "when one is being created", x.joinable("u", persist.ID{}) == nil, true)
	x.creating("u", 6, false, -1)
	x.creating("u", 4, false, 1) // accepted before it
	equal(t, "when that is settled", x.joinable("u", persist.ID{}) == op, true)
	x.users["u"][0].through = 7
	equal(t, "when it is done in part", x.joinable("u", persist.ID{}) == nil, true)
	x.users["u"][0].through = 0
	op.stage = inFlight
	equal(t, "in flight", x.joinable("u", persist.ID{}) == nil, true)
}

// TestDestroyUserGoesBeforeALoginWithALimit also when the pieces of another log-out have
// used up the limit of the commit.
func TestDestroyUserGoesBeforeALoginWithALimit(t *testing.T) {
	g, _ := inPieces(t, 5)
	for range 9 {
		g.create("v")
	}
	g.startCommit()
	g.do(g.wipe("v"))
	g.do(g.wipe("u"))
	g.settle()
	g.settle() // the first pieces
	g.carries(1, 0, 0)
	login := g.createReq("u")
	login.limit = persist.Limit{Max: 1, Refuse: true}
	g.do(login)
	g.settle()
	g.carries(2, 0, 0)
	g.ok(g.settle(), login)
	equal(t, "left on disk", g.stored("u"), 1)
}

// TestDestroyUserInPiecesIsNoOldChange: what gets on is no sign of a slow disk.
func TestDestroyUserInPiecesIsNoOldChange(t *testing.T) {
	g, _ := inPieces(t, 9)
	g.do(g.wipe("u"))
	for range 3 {
		g.now += 900_000
		g.settle()
	}
	equal(t, "age", g.stats().OldestPending, 0)
}

// TestDestroyUserTellsOfEachSessionOnce, also of one whose change is written after a piece has
// deleted its row, and before memory is cleared of it.
func TestDestroyUserTellsOfEachSessionOnce(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Entries = 10_000 })
	id := g.resident("u", 6*sliceSize, hour)[0] // the last to be cleared
	told := 0
	do := func(m message) *effects {
		out := g.do(m)
		for _, e := range out.events {
			if e.Kind == EventDestroyed && e.ID == id {
				told++
			}
		}
		return out
	}
	do(g.wipe("u"))
	g.carries(1, 0, 0)
	up := g.durable(id, "1")
	do(up)
	piece := persist.Outcome{Status: persist.StatusApplied, Removed: []persist.Removed{{ID: id, UserID: "u"}}, Through: 1}
	do(batchDone{result: persist.Result{Ops: []persist.Outcome{piece}}})
	g.carries(1, 1, 0)
	gone := []persist.Outcome{{Status: persist.StatusGone}}
	g.refused(do(batchDone{result: persist.Result{Ops: []persist.Outcome{{Status: persist.StatusApplied}}, Writes: gone}}), up, persist.ErrNotFound)
	for len(g.c.chores) > 0 {
		do(wakeUp{})
	}
	equal(t, "told", told, 1)
}

// TestDestroyUserJoinsTheOneBeforeAfterALoginThatIsGivenUp: it means no session that the first does not.
func TestDestroyUserJoinsTheOneBeforeAfterALoginThatIsGivenUp(t *testing.T) {
	g := newHarness(t, nil)
	g.startCommit()
	first, login, second := g.wipe("u"), g.createReq("u"), g.wipe("u")
	g.do(first)
	g.do(login)
	g.do(abandon{call: login.base()})
	g.do(second)
	g.settle()
	g.carries(1, 0, 0)
	out := g.settle()
	g.ok(out, first)
	g.ok(out, second)
}
