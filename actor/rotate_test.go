package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// graced is a rotation that leaves the old token a grace.
func (g *rig) graced(id persist.ID, to byte) *request {
	r := g.rotate(id, to)
	r.until = persist.Unseen
	return r
}

// seen tells that the token of a rotation has come back.
func (g *rig) seen(rot *request, until int64) *effects {
	r := g.req(kindSeen)
	r.id, r.to, r.until = rot.id, rot.to, until
	out := g.do(r)
	g.ok(out, r)
	return out
}

// rotated replaces a session's token.
func (g *rig) rotated(r *request) {
	g.Helper()
	g.do(r)
	g.ok(g.settle(), r)
}

// TestAReplacedTokenOpensNothing (S20), in memory or by way of the disk.
func TestAReplacedTokenOpensNothing(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.rotated(r)
	at := g.now
	g.now += 1000
	equal(t, "rotated", g.stats().Rotated, 1)
	for _, cold := range []bool{false, true} {
		old, current := g.read(rec.Hash), g.read(r.to)
		if cold {
			g.do(reset{"test"})
		}
		equal(t, "when it was replaced", g.rotatedError(g.find(old)).At, at)
		g.okay(g.find(current))
	}
}

// find reads by token, by way of the disk if the state asks for it.
func (g *rig) find(r *request) response {
	g.Helper()
	a := g.answer(g.do(r), r)
	if a.load == nil {
		return a
	}
	rec, err := g.disk.ByHash(g.Context(), r.key)
	r.offer = &offer{load: a.load, record: rec, err: err}
	return g.answer(g.do(r), r)
}

func (g *rig) okay(a response) {
	g.Helper()
	if a.err != nil || a.view == nil {
		g.Fatal(a.err)
	}
}

func (g *rig) rotatedError(a response) *RotatedError {
	g.Helper()
	e, ok := a.err.(*RotatedError) //nolint:errorlint // it is the answer itself
	if !ok {
		g.Fatalf("%v, want a RotatedError", a.err)
	}
	return e
}

// TestAGraceEndsAtItsInstant (S24): the old token opens the session before, and not from then on.
func TestAGraceEndsAtItsInstant(t *testing.T) {
	for _, cold := range []bool{false, true} {
		g := newRig(t, nil)
		rec := g.create("u")
		r := g.graced(rec.ID, 1)
		g.rotated(r)
		g.okay(g.find(g.read(rec.Hash)))
		g.seen(r, g.now+1_000_000)
		g.pass(interval)
		g.settle()
		g.now += 1_000_000 - interval - 1
		g.cold(cold)
		g.okay(g.find(g.read(rec.Hash)))
		g.now++
		g.cold(true) // the index alone would still answer: whoever reads it looks at the grace
		g.rotatedError(g.find(g.read(rec.Hash)))
		g.okay(g.find(g.read(r.to)))
	}
}

// cold evicts what is on disk, if it is to.
func (g *rig) cold(do bool) {
	if do {
		g.do(reset{"test"})
	}
}

// TestARotationWithAGraceWaitsForTheEndOfTheOneBefore: it would take the token away that a browser still has (S24).
func TestARotationWithAGraceWaitsForTheEndOfTheOneBefore(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	first := g.graced(id, 1)
	g.rotated(first)
	r := g.graced(id, 2)
	g.refused(g.do(r), r, ErrInGrace)
	g.seen(first, g.now+1000)
	r = g.graced(id, 2)
	g.now += 999
	g.refused(g.do(r), r, ErrInGrace)
	r = g.graced(id, 2)
	g.now++
	g.rotated(r)
}

// TestARotationWithoutAGraceWaitsForNobody: it ends the grace of the one before.
func TestARotationWithoutAGraceWaitsForNobody(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	first := g.graced(rec.ID, 1)
	g.rotated(first)
	g.rotated(g.rotate(rec.ID, 2))
	g.rotatedError(g.find(g.read(first.to)))
	a := g.find(g.read(rec.Hash))
	equal(t, "opens", a.view != nil, false)
}

// TestOfTwoRotationsWithAGraceInOneBatchTheSecondIsRefused (S21).
func TestOfTwoRotationsWithAGraceInOneBatchTheSecondIsRefused(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	g.fly()
	first, second := g.graced(id, 1), g.graced(id, 2)
	g.do(first)
	g.do(second)
	g.refused(g.settle(), second, ErrInGrace)
	g.carries(1, 0, 0)
	g.ok(g.settle(), first)
}

func TestRotationsWithoutAGraceInOneBatchBuildOnEachOther(t *testing.T) {
	g := newRig(t, nil)
	rec, other := g.create("u"), g.create("u")
	g.fly()
	first, second, third := g.rotate(rec.ID, 1), g.rotate(rec.ID, 2), g.rotate(other.ID, 3)
	for _, r := range []*request{first, second, third} {
		g.do(r)
	}
	g.settle()
	b := g.carries(3, 0, 0)
	equal(t, "the first replaces", b.Ops[0].From, rec.Hash)
	equal(t, "the second replaces", b.Ops[1].From, first.to)
	equal(t, "another session's replaces", b.Ops[2].From, other.Hash)
	g.settle()
	g.okay(g.find(g.read(second.to)))
}

// TestARotationOfAnotherTokenThanTheCurrentOneIsRefused (S21): when it comes and when it leaves.
func TestARotationOfAnotherTokenThanTheCurrentOneIsRefused(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	r.from = persist.Hash{99}
	g.rotatedError(g.answer(g.do(r), r))
	g.fly()
	first, second := g.rotate(rec.ID, 1), g.rotate(rec.ID, 2)
	first.from, second.from = rec.Hash, rec.Hash
	g.do(first)
	g.do(second)
	g.rotatedError(g.answer(g.settle(), second))
	g.ok(g.settle(), first)
}

func TestARotationOfASessionThatEndsBeforeItLeavesIsNotDone(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	g.fly()
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.do(g.destroy(rec.ID))
	g.refused(g.settle(), r, persist.ErrNotFound)
	g.carries(1, 0, 0)
}

// TestTheTimeOfReauthenticationOutlivesLaterRotations.
func TestTheTimeOfReauthenticationOutlivesLaterRotations(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	authAt := func(r *request) int64 {
		g.rotated(r)
		rec, _ := g.disk.ByID(t.Context(), id)
		equal(t, "in memory", g.find(g.read(r.to)).view.AuthAt, rec.AuthAt)
		return rec.AuthAt
	}
	equal(t, "never", authAt(g.rotate(id, 1)), 0)
	r := g.rotate(id, 2)
	r.reauth = true
	at := g.now
	equal(t, "now", authAt(r), at)
	g.now += 5000
	equal(t, "still", authAt(g.rotate(id, 3)), at)
	r = g.rotate(id, 4)
	r.reauth = true
	equal(t, "again", authAt(r), at+5000)
}

func TestANoteThatATokenWasSeenNeverLengthensAGrace(t *testing.T) {
	g := newRig(t, nil)
	r := g.graced(g.create("u").ID, 1)
	g.rotated(r)
	g.seen(r, g.now+1000)
	for _, until := range []int64{g.now + 1000, g.now + 2000} {
		g.seen(r, until)
		equal(t, "notes", len(g.s.ops), 1)
	}
	g.seen(r, g.now+999)
	equal(t, "notes", len(g.s.ops), 2)
	other := *r
	other.to = persist.Hash{77} // not the current token
	g.seen(&other, g.now)
	equal(t, "notes", len(g.s.ops), 2)
	g.pinnedUntil(r.id, func() { g.pass(interval); g.settle() })
}

// TestASeenNoteThatTheDiskRefusesIsTriedAgainInItsTime (D11).
func TestASeenNoteThatTheDiskRefusesIsTriedAgainInItsTime(t *testing.T) {
	g := newRig(t, nil)
	r := g.graced(g.create("u").ID, 1)
	g.rotated(r)
	g.seen(r, g.now+1_000_000)
	g.pass(interval)
	g.carries(1, 0, 0)
	out := g.refuses(persist.ErrCorrupt)
	equal(t, "tries to come", len(g.s.later), 1)
	equal(t, "stuck", g.stats().StuckDeletes, 0) // nothing was to be deleted
	equal(t, "waits for its time", out.wake > 0 && out.wake <= 2*retryFirst, true)
	g.pass(2 * retryFirst.Microseconds())
	g.empty() // in the company of others
	g.pass(interval)
	g.carries(1, 0, 0)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), r.id)
	equal(t, "stored", rec.Until, g.now-2*retryFirst.Microseconds()-2*interval+1_000_000)
	equal(t, "idle", g.s.idle(), true)
}
