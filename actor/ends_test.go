package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// by asks for r, by way of the disk if the state wants to read it.
func (g *rig) by(r *request) *effects {
	g.Helper()
	out := g.do(r)
	for _, a := range out.replies {
		if a.req == r && a.load != nil {
			rec, err := g.disk.ByID(g.Context(), r.id)
			r.offer = &offer{load: a.load, record: rec, err: err}
			return g.do(r)
		}
	}
	return out
}

func owned(r *request, user string) *request {
	r.user.ID = user
	return r
}

// TestADestroyThatNamesAnOwnerEndsNobodyElsesSession (S34, A15), in memory or not.
func TestADestroyThatNamesAnOwnerEndsNobodyElsesSession(t *testing.T) {
	for _, cold := range []bool{false, true} {
		g := newRig(t, nil)
		id := g.create("u").ID
		g.cold(cold)
		r := owned(g.destroy(id), "v")
		g.refused(g.by(r), r, persist.ErrNotFound)
		g.empty()
		g.cold(cold)
		r = owned(g.destroy(id), "u")
		g.by(r)
		g.carries(1, 0, 0)
		g.ok(g.settle(), r)
		r = owned(g.destroy(id), "u")
		g.refused(g.by(r), r, persist.ErrNotFound)
		r = g.destroy(id) // without an owner, the unknown is no error
		g.by(r)
		g.ok(g.settle(), r)
	}
}

// TestTheSecondDestroyIsAnsweredWithTheFirst, and tells a stranger nothing (S34).
func TestTheSecondDestroyIsAnsweredWithTheFirst(t *testing.T) {
	g := newRig(t, nil)
	l := g.creates(2)
	g.do(g.destroy(l[0].ID))
	g.do(g.destroy(l[1].ID)) // waits behind the first
	r, own, foreign := g.destroy(l[1].ID), owned(g.destroy(l[1].ID), "userb"), owned(g.destroy(l[1].ID), "usera")
	g.waits(g.do(r), r)
	g.waits(g.do(own), own)
	g.refused(g.do(foreign), foreign, persist.ErrNotFound)
	g.waits(g.settle(), r)
	g.carries(1, 0, 0)
	late := g.destroy(l[1].ID)
	g.waits(g.do(late), late) // it is under way
	out := g.settle()
	for _, x := range []*request{r, own, late} {
		g.ok(out, x)
	}
}

// TestADestroyThatIsOnDiskIsKnownAsLongAsALoadMayAsk: it is answered at once then, and an owner's is not found.
func TestADestroyThatIsOnDiskIsKnownAsLongAsALoadMayAsk(t *testing.T) {
	g := newRig(t, nil)
	g.do(g.read(persist.Hash{99})) // a slow one
	id := g.create("u").ID
	g.do(g.destroy(id))
	g.settle()
	r, own := g.destroy(id), owned(g.destroy(id), "u")
	g.ok(g.do(r), r)
	g.refused(g.do(own), own, persist.ErrNotFound)
	g.empty()
}

// TestALogOutOfAllButOneKeepsThatOne (S33): it must be the user's own, and active.
func TestALogOutOfAllButOneKeepsThatOne(t *testing.T) {
	for _, cold := range []bool{false, true} {
		g := newRig(t, nil)
		kept, other, foreign := g.create("u"), g.create("u"), g.create("v")
		but := func(id persist.ID) *request { r := g.wipe("u"); r.id = id; return r }
		g.cold(cold)
		r := but(foreign.ID)
		g.refused(g.by(r), r, persist.ErrNotFound)
		g.empty()
		r = but(kept.ID)
		g.by(r)
		equal(t, "in memory at once", g.s.hot.ByID(kept.ID) != nil && g.s.hot.ByID(other.ID) == nil, true)
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
	g := newRig(t, nil)
	g.create("u")
	g.fly()
	first, second, other, but := g.wipe("u"), g.wipe("u"), g.wipe("v"), g.wipe("u")
	but.id = g.s.hot.ByKey(persist.Hash{1, 1}).ID()
	g.do(but)
	g.do(first)
	g.do(other)
	g.do(second)
	equal(t, "operations", len(g.s.ops), 3)
	g.do(g.createReq("v"))
	g.do(g.wipe("u"))
	equal(t, "operations after another user's login", len(g.s.ops), 4)
	g.do(g.createReq("u"))
	g.do(g.wipe("u"))
	equal(t, "operations after the user's login", len(g.s.ops), 6)
}

// TestASyncCoversWhatADestroyTookOver (D18): the change of a session that was ended
// before it was written is not lost before its end is on disk.
func TestASyncCoversWhatADestroyTookOver(t *testing.T) {
	for _, end := range []func(*rig, persist.ID) *request{
		func(g *rig, id persist.ID) *request { return g.destroy(id) },
		func(g *rig, _ persist.ID) *request { return g.wipe("u") },
	} {
		g := newRig(t, nil)
		id := g.create("u").ID
		g.fly()
		g.do(g.update(id, "1"))
		barrier := g.req(kindSync)
		g.do(barrier)
		g.do(end(g, id))
		g.waits(g.settle(), barrier)
		g.carries(1, 0, 0)
		g.ok(g.settle(), barrier)
	}
}

// TestASyncDoesNotWaitForWhatCameAfterIt (D18).
func TestASyncDoesNotWaitForWhatCameAfterIt(t *testing.T) {
	g := newRig(t, nil)
	l := g.creates(2)
	none := g.req(kindSync)
	g.ok(g.do(none), none) // nothing waits
	g.do(g.update(l[0].ID, "1"))
	barrier := g.req(kindSync)
	g.do(barrier) // sends it
	g.carries(0, 1, 0)
	g.do(g.update(l[1].ID, "1"))
	d := g.destroy(persist.ID{9})
	g.do(d)
	g.ok(g.settle(), barrier)
}

// TestWhatEndsIsCountedAndTold (S50).
func TestWhatEndsIsCountedAndTold(t *testing.T) {
	g := newRig(t, nil)
	first := g.create("u")
	r := g.createReq("u")
	r.limit.Max = 1
	g.do(r)
	out := g.settle()
	equal(t, "Evicted", happened(out, Evicted), 1)
	equal(t, "Created", happened(out, Created), 1)
	equal(t, "the first one is gone", g.s.hot.ByID(first.ID) == nil, true)
	refused := g.createReq("u")
	refused.limit = persist.Limit{Max: 1, Refuse: true}
	g.do(refused)
	out = g.settle()
	g.refused(out, refused, ErrLimitReached)
	equal(t, "LimitReached", happened(out, LimitReached), 1)
	g.create("u")
	w := g.wipe("u")
	g.do(w)
	out = g.settle()
	equal(t, "ended", g.ok(out, w).n, 2)
	equal(t, "Destroyed", happened(out, Destroyed), 2)
	s := g.stats()
	equal(t, "created", s.Created, 3)
	equal(t, "evicted", s.Evicted, 1)
	equal(t, "destroyed", s.Destroyed, 2)
}

// TestAUserWhoseLogOutIsStuckCannotLogIn: the retry would catch the new session.
func TestAUserWhoseLogOutIsStuckCannotLogIn(t *testing.T) {
	g := newRig(t, nil)
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
