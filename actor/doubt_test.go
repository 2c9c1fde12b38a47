package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// status has the disk say s of every operation of the batch in flight, without doing it.
func (g *rig) status(l ...persist.Status) *effects {
	g.batch = nil
	var res persist.Result
	for _, s := range l {
		o := persist.Outcome{Status: s}
		if s == persist.Failed {
			o.Err = persist.ErrCorrupt
		}
		res.Ops = append(res.Ops, o)
	}
	return g.do(settled{result: res})
}

// TestARotationThatCollidesIsAConflict: alone the session stays; where others write it was theirs (S21).
func TestARotationThatCollidesIsAConflict(t *testing.T) {
	for _, g := range []*rig{newRig(t, nil), shared(t)} {
		rec := g.create("u")
		r := g.rotate(rec.ID, 1)
		g.do(r)
		g.refused(g.status(persist.Conflict), r, ErrConflict)
		equal(t, "in memory", g.s.hot.ByID(rec.ID) != nil, g.s.exclusive)
	}
}

// TestARotationThatTheDiskRefusesLeavesTheOldTokenGood.
func TestARotationThatTheDiskRefusesLeavesTheOldTokenGood(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.refused(g.status(persist.Failed), r, persist.ErrUnavailable)
	g.okay(g.find(g.read(rec.Hash)))
	equal(t, "idle", g.s.idle(), true)
}

// TestUntilARotationInDoubtIsKnownAnotherOfItsSessionIsRefused (D9), and nobody else's.
func TestUntilARotationInDoubtIsKnownAnotherOfItsSessionIsRefused(t *testing.T) {
	g := newRig(t, nil)
	rec, other := g.create("u"), g.create("v")
	g.do(g.graced(rec.ID, 1))
	g.fails(persist.ErrUnknown)
	g.do(g.destroy(persist.ID{9})) // will be refused by itself, and is no rotation
	g.pass(1_000_000)
	g.carries(2, 0, 0)
	g.status(persist.Failed, persist.Failed)
	r, free := g.rotate(rec.ID, 2), g.rotate(other.ID, 3)
	g.refused(g.do(r), r, persist.ErrUnavailable)
	g.waits(g.do(free), free)
	g.carries(1, 0, 0)
	g.ok(g.settle(), free)
}

// TestAStuckDestroyHoldsUpNoRotation: not even of the same session, which is over.
func TestAStuckDestroyHoldsUpNoRotation(t *testing.T) {
	g := newRig(t, nil)
	rec, other := g.create("u"), g.create("v")
	g.do(g.destroy(rec.ID))
	g.status(persist.Failed)
	r := g.rotate(other.ID, 1)
	g.rotated(r)
	equal(t, "postponed", g.s.postponed(rec.ID), false)
}

// TestARotationInDoubtWithoutAGraceOpensNothing (I2, D9): not its token, not the one
// before it, and not the one that an earlier rotation of the same batch would have graced.
func TestARotationInDoubtWithoutAGraceOpensNothing(t *testing.T) {
	for _, done := range []bool{true, false} {
		g := newRig(t, nil)
		rec, other := g.create("u"), g.create("v")
		g.fly()
		first, bystander, second := g.graced(rec.ID, 1), g.graced(other.ID, 2), g.rotate(rec.ID, 3)
		for _, r := range []*request{first, bystander, second} {
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
			for _, h := range []persist.Hash{rec.Hash, first.to, second.to} {
				if a := g.find(g.read(h)); a.view != nil && h != second.to { // nobody has that one
					t.Errorf("done %t: a token opens the session", done)
				}
			}
		}
		g.cold(true)
		equal(t, "the bystander is kept until it is known", g.s.hot.ByID(other.ID) != nil, true)
		shut()
		g.pass(1_000_000)
		g.carries(3, 0, 0)
		g.settle()
		shut()
		g.cold(true)
		shut()
		g.okay(g.find(g.read(bystander.to)))
		g.okay(g.find(g.read(other.Hash))) // its grace
	}
}

// TestARetryThatMustWaitForTheOneBeforeItWaits (D9).
func TestARetryThatMustWaitForTheOneBeforeItWaits(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	g.fly()
	g.do(g.graced(rec.ID, 1))
	g.do(g.rotate(rec.ID, 2))
	g.settle()
	g.carries(2, 0, 0)
	g.fails(persist.ErrUnknown)
	g.pass(1_000_000)
	g.status(persist.Failed, persist.Conflict)
	equal(t, "wait", len(g.s.later), 2)
	g.pass(1_000_000)
	g.status(persist.Failed, persist.Applied) // as a disk would that had done both
	equal(t, "wait", len(g.s.later), 0)
	equal(t, "idle", g.s.idle(), true)
}

// TestTwoNotesOfOneSessionHoldItUntilTheLastIsOnDisk, and nothing is left of them (I8).
func TestTwoNotesOfOneSessionHoldItUntilTheLastIsOnDisk(t *testing.T) {
	g := newRig(t, nil)
	r := g.graced(g.create("u").ID, 1)
	g.rotated(r)
	g.seen(r, g.now+2_000_000)
	g.pass(interval)
	g.carries(1, 0, 0)
	g.seen(r, g.now+1_000_000)
	g.settle()
	g.pinnedUntil(r.id, func() { g.pass(interval); g.settle() })
	equal(t, "sessions held", len(g.s.spins), 0)
}

// TestARotationThatWasSurelyNotDoneLeavesTheOldTokenGood, and is not tried again.
func TestARotationThatWasSurelyNotDoneLeavesTheOldTokenGood(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.refused(g.fails(persist.ErrUnavailable), r, persist.ErrUnavailable)
	equal(t, "idle", g.s.idle(), true)
	g.okay(g.find(g.read(rec.Hash)))
	g.cold(true)
	g.okay(g.find(g.read(rec.Hash)))
}

// TestTheTokenOfALostRotationIsDeadWhateverTheDiskDid (I2, D9), from memory and from the disk.
func TestTheTokenOfALostRotationIsDeadWhateverTheDiskDid(t *testing.T) {
	for _, done := range []bool{true, false} {
		g := newRig(t, nil)
		rec := g.create("u")
		g.do(g.rotate(rec.ID, 1))
		if done {
			g.commit()
		}
		g.fails(persist.ErrUnknown)
		for range 3 { // in doubt, evicted, settled
			if a := g.find(g.read(rec.Hash)); a.view != nil {
				t.Fatalf("done %t: it opens the session", done)
			}
			g.cold(true)
			if g.pass(500_000); g.batch != nil {
				g.settle()
			}
		}
		equal(t, "graves at rest", g.s.graves.len(), 0)
	}
}

// TestWhoLeavesWhatIsUnderWayIsToldThatItMayBeDone (D17).
func TestWhoLeavesWhatIsUnderWayIsToldThatItMayBeDone(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	for _, r := range []*request{g.rotate(rec.ID, 1), g.createReq("v")} {
		g.do(r)
		left, ok := g.answer(g.do(abandon{req: r}), r).err.(*leftError)          //nolint:errorlint // it is the answer itself
		equal(t, "it may be done", ok && left.state == persist.ErrUnknown, true) //nolint:errorlint // the state itself
		g.settle()
	}
}
