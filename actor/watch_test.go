package actor

import (
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
)

func (g *rig) watch(id persist.ID) *request {
	r := g.req(kindWatch)
	r.id = id
	return r
}

// mortal creates a session that ends after d microseconds.
func (g *rig) mortal(d int64) *persist.Record {
	g.Helper()
	r := g.createReq("mortal")
	r.record.ExpiresAt, r.record.TTL = g.now+d, d
	g.do(r)
	g.ok(g.settle(), r)
	return r.record
}

// TestAWatcherIsToldAtTheInstantOfTheEnd (S26): not before, and once.
func TestAWatcherIsToldAtTheInstantOfTheEnd(t *testing.T) {
	g := newRig(t, nil)
	rec := g.mortal(5_000_000)
	equal(t, "wake", g.do(g.watch(rec.ID)).wake, 5*time.Second)
	equal(t, "ended before", len(g.pass(4_999_999).ended), 0)
	equal(t, "watched", g.stats().Watched, 1)
	out := g.pass(1)
	equal(t, "ended", len(out.ended), 1)
	equal(t, "wake", out.wake, never)
	equal(t, "watched", g.stats().Watched, 0)
	r := g.watch(rec.ID)
	g.refused(g.do(r), r, ErrExpired)
}

func TestTheFirstEndOfManyIsWaitedFor(t *testing.T) {
	g := newRig(t, nil)
	late, soon, between := g.mortal(9_000_000), g.mortal(5_000_000), g.mortal(7_000_000)
	equal(t, "wake", g.do(g.watch(late.ID)).wake, 9*time.Second)
	equal(t, "wake", g.do(g.watch(soon.ID)).wake, 5*time.Second)
	equal(t, "wake", g.do(g.watch(between.ID)).wake, 5*time.Second)
	out := g.pass(5_000_000)
	equal(t, "ended", len(out.ended), 1)
	equal(t, "wake", out.wake, 2*time.Second)
	out = g.pass(4_000_000)
	equal(t, "ended", len(out.ended), 2)
}

// TestAWatchedClockIsLookedAtNowAndThen (S29): it may be set, and it may stand still.
func TestAWatchedClockIsLookedAtNowAndThen(t *testing.T) {
	g := newRig(t, nil)
	rec := g.mortal(3_600_000_000)
	equal(t, "wake when the end is far", g.do(g.watch(rec.ID)).wake, time.Minute)
	equal(t, "wake when it is near", g.pass(3_599_999_999).wake, 10*time.Millisecond)
}

func TestAChangeThatIsDueComesBeforeAnEndThatIsFar(t *testing.T) {
	g := newRig(t, nil)
	rec := g.mortal(5_000_000)
	g.do(g.watch(rec.ID))
	equal(t, "wake", g.do(g.update(g.create("u").ID, "1")).wake, micro(interval))
}

// TestAnEndThatIsBroughtForwardIsNoticed: a change may shorten a session.
func TestAnEndThatIsBroughtForwardIsNoticed(t *testing.T) {
	g := newRig(t, nil)
	rec := g.mortal(50_000_000)
	g.do(g.watch(rec.ID))
	r := g.req(kindTouch)
	r.id, r.at, r.expires = rec.ID, g.now, g.now+2_000_000
	g.do(r)
	equal(t, "ended", len(g.pass(2_000_000).ended), 1)
}

func TestAWatchedSessionStaysInMemoryUntilTheLastWatcherLeaves(t *testing.T) {
	g := newRig(t, nil)
	rec := g.mortal(5_000_000)
	a, b := g.watch(rec.ID), g.watch(rec.ID)
	done := g.ok(g.do(a), a).done
	equal(t, "one channel", g.ok(g.do(b), b).done == done, true)
	leave := func(c chan struct{}) {
		r := g.req(kindUnwatch)
		r.id, r.done = rec.ID, c
		g.do(r)
	}
	left := func() int { g.do(reset{"test"}); return g.stats().Hot }
	leave(make(chan struct{})) // somebody else's
	leave(done)
	equal(t, "with one left", left(), 1)
	equal(t, "watched", g.stats().Watched, 1)
	leave(done)
	equal(t, "watched", g.stats().Watched, 0)
	equal(t, "with none", left(), 0)
}

// pinnedUntil shows that a session is kept from eviction until what holds it has let go.
func (g *rig) pinnedUntil(id persist.ID, release func()) {
	g.Helper()
	g.do(reset{"test"})
	if g.s.hot.ByID(id) == nil {
		g.Fatal("it was evicted")
	}
	release()
	g.do(reset{"test"})
	if g.s.hot.ByID(id) != nil {
		g.Fatal("it is kept for nothing")
	}
}

// TestWhatIsNotOnDiskIsKeptFromEviction (D6), and no longer than that (I8).
func TestWhatIsNotOnDiskIsKeptFromEviction(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pinnedUntil(id, func() { g.pass(interval); g.settle() })
}

func TestARotationKeepsItsSessionFromEviction(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	g.do(g.rotate(id, 1))
	g.pinnedUntil(id, func() { g.settle() })
}

// TestEachReasonToKeepASessionIsEnough: a change, a watcher, a rotation.
func TestEachReasonToKeepASessionIsEnough(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	w, rot := g.watch(id), g.rotate(id, 1)
	done := g.ok(g.do(w), w).done
	leave := g.req(kindUnwatch)
	leave.id, leave.done = id, done
	g.do(g.update(id, "1"))
	g.pinnedUntil(id, func() {
		g.pass(interval)
		g.settle() // written
		g.pinnedUntil(id, func() {
			g.do(rot)
			g.do(leave) // nobody watches
			g.pinnedUntil(id, func() {
				g.settle() // rotated
			})
		})
	})
}
