package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestADestroyThatNamesAnOwnerEndsNobodyElsesSession (S34, A15), in memory or not.
func TestADestroyThatNamesAnOwnerEndsNobodyElsesSession(t *testing.T) {
	for _, cold := range []bool{false, true} {
		g := newHarness(t, nil)
		id := g.create("u").ID
		g.cold(cold)
		r := g.destroyOwned(id, "v")
		g.refused(g.by(r), r, persist.ErrNotFound)
		g.empty()
		g.cold(cold)
		r = g.destroyOwned(id, "u")
		g.by(r)
		g.carries(1, 0, 0)
		g.ok(g.settle(), r)
		r = g.destroyOwned(id, "u")
		g.refused(g.by(r), r, persist.ErrNotFound)
		r = g.destroy(id) // without an owner, the unknown is no error
		g.by(r)
		g.ok(g.settle(), r)
	}
}

// TestTheSecondDestroyIsAnsweredWithTheFirst, and tells a stranger nothing (S34).
func TestTheSecondDestroyIsAnsweredWithTheFirst(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(2)
	g.do(g.destroy(l[0].ID))
	g.do(g.destroy(l[1].ID)) // waits behind the first
	r, own, foreign := g.destroy(l[1].ID), g.destroyOwned(l[1].ID, "userb"), g.destroyOwned(l[1].ID, "usera")
	g.waits(g.do(r), r)
	g.waits(g.do(own), own)
	g.refused(g.do(foreign), foreign, persist.ErrNotFound)
	g.waits(g.settle(), r)
	g.carries(1, 0, 0)
	late := g.destroy(l[1].ID)
	g.waits(g.do(late), late) // it is under way
	out := g.settle()
	for _, x := range []command{r, own, late} {
		g.ok(out, x)
	}
}

// TestADestroyThatIsOnDiskIsKnownAsLongAsALoadMayAsk: it is answered at once then, and an owner's is not found.
func TestADestroyThatIsOnDiskIsKnownAsLongAsALoadMayAsk(t *testing.T) {
	g := newHarness(t, nil)
	g.do(g.read(persist.Hash{99})) // a slow one
	id := g.create("u").ID
	g.do(g.destroy(id))
	g.settle()
	r, own := g.destroy(id), g.destroyOwned(id, "u")
	g.ok(g.do(r), r)
	g.refused(g.do(own), own, persist.ErrNotFound)
	g.empty()
}
