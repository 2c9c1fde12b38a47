package actor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestRotateToATokenInUseIsAConflict: the session stays as it is (S21).
func TestRotateToATokenInUseIsAConflict(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.refused(g.status(persist.StatusConflict), r, ErrConflict)
	equal(t, "in memory", g.c.hot.ByID(rec.ID) != nil, true)
}

// TestRotateThatTheDiskRefusesKeepsTheOldToken.
func TestRotateThatTheDiskRefusesKeepsTheOldToken(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.refused(g.status(persist.StatusFailed), r, persist.ErrUnavailable)
	g.okay(g.find(rec.Hash))
	equal(t, "idle", g.c.idle(), true)
}

// TestRotateIsRefusedUntilTheOutcomeOfTheOneBeforeIsKnown (D9), and nobody else's.
func TestRotateIsRefusedUntilTheOutcomeOfTheOneBeforeIsKnown(t *testing.T) {
	g := newHarness(t, nil)
	rec, other := g.create("u"), g.create("v")
	g.do(g.graced(rec.ID, 1))
	g.fails(persist.ErrUnknown)
	g.do(g.destroy(persist.ID{9})) // will be refused by itself, and is no rotation
	g.pass(1_000_000)
	g.carries(2, 0, 0)
	g.status(persist.StatusFailed, persist.StatusFailed)
	r, free := g.rotate(rec.ID, 2), g.rotate(other.ID, 3)
	g.refused(g.do(r), r, persist.ErrUnavailable)
	g.waits(g.do(free), free)
	g.carries(1, 0, 0)
	g.ok(g.settle(), free)
}

// TestRotateDoesNotWaitForAStuckDestroy: not even of the same session, which is over.
func TestRotateDoesNotWaitForAStuckDestroy(t *testing.T) {
	g := newHarness(t, nil)
	rec, other := g.create("u"), g.create("v")
	g.do(g.destroy(rec.ID))
	g.status(persist.StatusFailed)
	r := g.rotate(other.ID, 1)
	g.rotated(r)
	equal(t, "unsettled", g.c.retryDelayed(rec.ID), false)
}

// TestRotateOfUnknownOutcomeWithoutAGraceOpensNothing (I2, D9): not its token, not the one
// before it, and not the one that an earlier rotation of the same batch would have graced.
func TestRotateOfUnknownOutcomeWithoutAGraceOpensNothing(t *testing.T) {
	for _, done := range []bool{true, false} {
		g := newHarness(t, nil)
		rec, other := g.create("u"), g.create("v")
		g.startCommit()
		first, bystander, second := g.graced(rec.ID, 1), g.graced(other.ID, 2), g.rotate(rec.ID, 3)
		for _, r := range []command{first, bystander, second} {
			g.do(r)
		}
		g.settle()
		g.carries(3, 0, 0)
		if done {
			g.commit()
		}
		g.refused(g.fails(persist.ErrUnknown), second, persist.ErrUnknown)
		shut := func() {
			t.Helper()
			for _, h := range []persist.Hash{rec.Hash, first.change.To, second.change.To} {
				if a := g.find(h); a.view != nil && h != second.change.To { // nobody has that one
					t.Errorf("done %t: a token opens the session", done)
				}
			}
		}
		g.cold(true)
		equal(t, "the bystander is kept until it is known", g.c.hot.ByID(other.ID) != nil, true)
		shut()
		g.pass(1_000_000)
		g.carries(3, 0, 0)
		g.settle()
		shut()
		g.cold(true)
		shut()
		g.okay(g.find(bystander.change.To))
		g.okay(g.find(other.Hash)) // its grace
	}
}

// TestRotateRetryWaitsForTheOneBeforeIt (D9).
func TestRotateRetryWaitsForTheOneBeforeIt(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.startCommit()
	g.do(g.graced(rec.ID, 1))
	g.do(g.rotate(rec.ID, 2))
	g.settle()
	g.carries(2, 0, 0)
	g.fails(persist.ErrUnknown)
	g.pass(1_000_000)
	g.status(persist.StatusFailed, persist.StatusConflict)
	equal(t, "wait", len(g.c.ops.delayed), 2)
	g.pass(1_000_000)
	g.status(persist.StatusFailed, persist.StatusApplied) // as a disk would that had done both
	equal(t, "wait", len(g.c.ops.delayed), 0)
	equal(t, "idle", g.c.idle(), true)
}

// TestRotateThatWasNotDoneKeepsTheOldToken, and is not tried again.
func TestRotateThatWasNotDoneKeepsTheOldToken(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.refused(g.fails(persist.ErrUnavailable), r, persist.ErrUnavailable)
	equal(t, "idle", g.c.idle(), true)
	g.okay(g.find(rec.Hash))
	g.cold(true)
	g.okay(g.find(rec.Hash))
}

// TestRotateOfUnknownOutcomeKillsTheOldToken (I2, D9), from memory and from the disk.
func TestRotateOfUnknownOutcomeKillsTheOldToken(t *testing.T) {
	for _, done := range []bool{true, false} {
		g := newHarness(t, nil)
		rec := g.create("u")
		g.do(g.rotate(rec.ID, 1))
		if done {
			g.commit()
		}
		g.fails(persist.ErrUnknown)
		for range 3 { // of unknown outcome, evicted, settled
			if a := g.find(rec.Hash); a.view != nil {
				t.Fatalf("done %t: it opens the session", done)
			}
			g.cold(true)
			if g.pass(500_000); g.batch != nil {
				g.settle()
			}
		}
		equal(t, "tombstones at rest", g.c.tombstones.len(), 0)
	}
}

// the retry of a rotation with a grace outlived the rotation that replaced its
// token, and had later ones refused for a grace that nobody had (seed 594076).
func TestRotateEndsTheRetryOfTheOneThatItReplaces(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	rotate := func(to byte, until int64) []response {
		r := g.rotateTo(rec.ID, persist.Hash{to})
		r.change.Until = until
		return g.send(r)
	}
	rotate(2, persist.Unseen)
	done := g.commit() // done, and reported as of unknown outcome
	rotate(3, 0)       // waits for the next batch
	g.send(batchDone{err: fmt.Errorf("%w", persist.ErrUnknown)})
	g.now += 10_000_000
	g.send(wakeUp{})
	if g.batch == nil || len(g.batch.Ops) != 2 || done.err != nil {
		t.Fatalf("%+v, %v", g.batch, done.err)
	}
	retried := g.commit()
	retried.result.Ops[0] = persist.Outcome{Status: persist.StatusFailed, Err: persist.ErrUnavailable}
	if a := g.send(retried); len(a) != 1 || a[0].err != nil {
		t.Fatal(a)
	}
	if len(g.c.ops.delayed) > 0 {
		t.Errorf("%d retries are left", len(g.c.ops.delayed))
	}
	rotate(4, persist.Unseen)
	if a := g.send(g.commit()); len(a) != 1 || a[0].err != nil {
		t.Error(a)
	}
}

// Two rotations of unknown outcome failed again, each by itself. The second one was tried
// before the first: it was taken for one that cannot be done, and then the first one was
// done, whose grace the second had ended. The token before them was good again (I2).
func TestRotateRetriesInTheOrderOfAcceptance(t *testing.T) {
	for name, c := range map[string]struct {
		at      [2]int64 // of their next tries
		commits int      // once in so many passes
		fails   int      // that commit does
	}{"placed before it": {[2]int64{3, 6}, 3, 0}, "due before it": {[2]int64{6, 3}, 1, 0}, "put back before it": {[2]int64{6, 3}, 1, 2}} {
		t.Run(name, func(t *testing.T) {
			g := newHarness(t, nil)
			rec := g.create("u")
			g.startCommit()
			g.do(g.graced(rec.ID, 2))
			second := g.rotate(rec.ID, 3)
			g.do(second)
			g.settle()
			g.refused(g.fails(persist.ErrUnknown), second, persist.ErrUnknown)
			g.pass(10 * interval)
			g.carries(2, 0, 0)
			g.status(persist.StatusFailed, persist.StatusConflict)
			for i, p := range g.c.rotations[rec.ID] {
				g.c.ops.delayed.Set(p, g.c.tick+c.at[i]*interval)
			}
			g.startCommit()
			for i, commits := 0, 0; i < 90; i++ {
				if g.pass(3 * interval); g.batch == nil || i%c.commits < c.commits-1 {
					continue
				}
				if commits++; commits == c.fails {
					g.fails(persist.ErrUnavailable)
					continue
				}
				g.settle()
			}
			for range 2 {
				equal(t, "the token before is refused", g.find(rec.Hash).err != nil, true)
				g.do(reset{reason: "test"})
			}
			equal(t, "tries left", len(g.c.ops.delayed)+len(g.c.ops.ready), 0)
		})
	}
}

// TestRotateOfALockedOutSessionFollowsTheDisk when the retry tells what is there: the token that
// nobody has and the proof of identity, another token, or no row.
func TestRotateOfALockedOutSessionFollowsTheDisk(t *testing.T) {
	for _, want := range []persist.Status{persist.StatusApplied, persist.StatusConflict, persist.StatusGone} {
		g := newHarness(t, nil)
		rec, other := g.create("u"), persist.Hash{77}
		r := g.rotate(rec.ID, 1)
		r.change.Reauth = true
		g.do(r)
		g.unknown(false)
		elsewhere := map[persist.Status][]persist.Op{
			persist.StatusConflict: {{Kind: persist.OpRotate, Ref: rec.Ref(), From: rec.Hash, To: other}},
			persist.StatusGone:     {{Kind: persist.OpDestroy, Ref: rec.Ref()}},
		}
		if _, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: elsewhere[want]}); err != nil {
			t.Fatal(err)
		}
		g.pass(1_000_000)
		done := g.commit()
		equal(t, "outcome", done.result.Ops[0].Status, want)
		g.do(done)
		equal(t, "the old token opens", g.opens(rec.Hash), false)
		equal(t, "the other one opens", g.opens(other), want == persist.StatusConflict)
		row, _ := g.disk.ByID(t.Context(), rec.ID)
		if e := g.c.hot.ByID(rec.ID); want == persist.StatusApplied {
			equal(t, "proof of identity", e.Value().AuthAt, row.AuthAt)
		} else {
			equal(t, "in memory", e != nil, want == persist.StatusConflict)
		}
		equal(t, "at rest", g.c.idle() && g.c.tombstones.len() == 0, true)
	}
}

// TestRotateOfALockedOutSessionKeepsItsChanges: a change is acknowledged before the retry tells that
// the row has another token.
func TestRotateOfALockedOutSessionKeepsItsChanges(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.do(g.rotate(rec.ID, 1))
	g.unknown(false)
	elsewhere := []persist.Op{{Kind: persist.OpRotate, Ref: rec.Ref(), From: rec.Hash, To: persist.Hash{77}}}
	if _, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: elsewhere}); err != nil {
		t.Fatal(err)
	}
	g.pass(1_000_000)
	retry := g.commit()
	u := g.update(rec.ID, "kept")
	g.ok(g.do(u), u)
	g.do(retry)
	equal(t, "in memory", g.c.hot.ByID(rec.ID) != nil, true)
	g.pass(1_000_000)
	g.settle()
	row, err := g.disk.ByID(t.Context(), rec.ID)
	equal(t, "error", err, nil)
	equal(t, "the change is on disk", strings.Contains(string(row.Data), "kept"), true)
	equal(t, "at rest", g.c.idle(), true)
}

// TestRotateOfALockedOutSessionHidesItsOldRow. A list must not show it without an acknowledged change:
//
//  1. A rotation of unknown outcome is done. Its session has a change that only memory knows.
//  2. A list reads the row.
//  3. Another program deletes the row, and the retry of the rotation finds none.
//  4. The list ends with the row that it has read.
func TestRotateOfALockedOutSessionHidesItsOldRow(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.do(g.rotate(rec.ID, 1))
	g.unknown(true)
	g.pass(1_000_000)
	u := g.update(rec.ID, "kept")
	g.ok(g.do(u), u)
	l := g.list("u")
	read := g.answer(g.do(l), l).load
	listing, err := g.disk.ByUser(t.Context(), read.user)
	equal(t, "error", err, nil)
	equal(t, "rows", len(listing.Records), 1)
	if _, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpDestroy, Ref: rec.Ref()}}}); err != nil {
		t.Fatal(err)
	}
	g.settle()
	again := g.answer(g.do(&loaded{load: read, listing: listing}), l).load
	equal(t, "reads again", again != nil, true)
	equal(t, "sessions", len(g.ok(g.do(&loaded{load: again}), l).views), 0)
	equal(t, "at rest", g.c.idle(), true)
}
