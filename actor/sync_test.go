package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestSyncCoversChangesThatADestroyDropped (D18): the change of a session that was ended
// before it was written is not lost before its end is on disk.
func TestSyncCoversChangesThatADestroyDropped(t *testing.T) {
	for _, end := range []func(*harness, persist.ID) command{
		func(g *harness, id persist.ID) command { return g.destroy(id) },
		func(g *harness, _ persist.ID) command { return g.wipe("u") },
	} {
		g := newHarness(t, nil)
		id := g.create("u").ID
		g.startCommit()
		g.do(g.update(id, "1"))
		barrier := g.sync()
		g.do(barrier)
		g.do(end(g, id))
		g.waits(g.settle(), barrier)
		g.carries(1, 0, 0)
		g.ok(g.settle(), barrier)
	}
}

// TestSyncDoesNotWaitForLaterChanges (D18).
func TestSyncDoesNotWaitForLaterChanges(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(2)
	none := g.sync()
	g.ok(g.do(none), none) // nothing waits
	g.do(g.update(l[0].ID, "1"))
	barrier := g.sync()
	g.do(barrier) // sends it
	g.carries(0, 1, 0)
	g.do(g.update(l[1].ID, "1"))
	d := g.destroy(persist.ID{9})
	g.do(d)
	g.ok(g.settle(), barrier)
}

// TestSyncEndsWithACreateThatIsGivenUp, though no commit follows that could end it.
func TestSyncEndsWithACreateThatIsGivenUp(t *testing.T) {
	g := newHarness(t, nil)
	g.do(g.createReq("u"))
	g.fails(persist.ErrUnavailable) // the next attempt comes later
	x, s := g.createReq("v"), g.sync()
	g.do(x)
	g.waits(g.do(s), s)
	g.ok(g.do(abandon{call: x.base()}), s)
}

// TestSyncEndsWithAChangeThatYields: its caller applies it to the row of another node, as a later change.
func TestSyncEndsWithAChangeThatYields(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	g.do(g.createReq("v"))
	g.fails(persist.ErrUnavailable)
	u, s := g.update(rec.ID, "1"), g.sync()
	g.do(u)
	g.waits(g.do(s), s)
	g.ok(g.do(invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}}), s)
}
