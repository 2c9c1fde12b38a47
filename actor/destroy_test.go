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

// TestDestroyOfUnknownOutcomeIsToldOnceWhenItsRetryFindsNothing: the first commit was done,
// so only memory knows what it has ended. Of a session that it did not have nothing is told.
func TestDestroyOfUnknownOutcomeIsToldOnceWhenItsRetryFindsNothing(t *testing.T) {
	for _, done := range []bool{false, true} {
		for _, known := range []bool{false, true} {
			g := newHarness(t, nil)
			id := persist.ID{9}
			want := 0
			if known {
				id, want = g.create("u").ID, 1
			}
			g.do(g.destroy(id))
			equal(t, "told while it is unknown", happened(g.unknown(done), Destroyed), 0)
			g.pass(retryMost.Microseconds())
			out := g.settle()
			equal(t, "told", happened(out, Destroyed), want)
			for _, e := range out.events {
				if e.Kind == Destroyed {
					equal(t, "session", e.ID, id)
					equal(t, "user", e.UserID, "u")
				}
			}
			equal(t, "counted", g.stats().Destroyed, uint64(want))
		}
	}
}

// TestDestroyOfUnknownOutcomeIsNotToldAfterAnEviction that has told the end of its session.
func TestDestroyOfUnknownOutcomeIsNotToldAfterAnEviction(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.destroy(id))
	g.unknown(false)
	g.pass(retryMost.Microseconds())
	g.refuses(persist.ErrUnavailable) // its retry is delayed, and a login overtakes it
	login := g.createReq("u")
	login.limit.Max = 1
	g.do(login)
	equal(t, "evicted", happened(g.settle(), Evicted), 1)
	g.pass(retryMost.Microseconds())
	equal(t, "told again", happened(g.settle(), Destroyed), 0)
	equal(t, "counted", g.stats().Destroyed, 0)
}
