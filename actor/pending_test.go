package actor

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
)

// TestPendingIsAllThatIsNotOnDisk (I7, D20): changes, operations, and those that wait for their turn.
func TestPendingIsAllThatIsNotOnDisk(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	g.do(g.destroy(persist.ID{9, 1}))
	g.refuses(persist.ErrCorrupt) // waits for its turn
	equal(t, "idle with one that waits", g.s.idle(), false)
	g.do(g.destroy(persist.ID{9, 2}))
	equal(t, "pending with one under way", g.stats().Pending, 2)
	g.fails(persist.ErrUnavailable)
	equal(t, "idle with two operations", g.s.idle(), false)
	s := g.stats()
	equal(t, "pending", s.Pending, 2)
	equal(t, "stuck", s.StuckDeletes, 1)
	g.do(g.update(id, "1"))
	equal(t, "pending with a change", g.stats().Pending, 3)
	for range 3 {
		g.pass(1_000_000)
		if g.batch != nil {
			g.settle()
		}
	}
	equal(t, "pending in the end", g.stats().Pending, 0)
	equal(t, "idle in the end", g.s.idle(), true)
}

func TestAChangeAndAnOperationAreNotIdle(t *testing.T) {
	g := newRig(t, nil)
	g.do(g.update(g.create("u").ID, "1"))
	g.do(g.destroy(persist.ID{9}))
	g.fails(persist.ErrUnavailable)
	equal(t, "idle", g.s.idle(), false)
}

// TestTheAgeOfTheOldestChangeIsToldUntilItIsOnDisk (I7, D20, D21).
func TestTheAgeOfTheOldestChangeIsToldUntilItIsOnDisk(t *testing.T) {
	g := newRig(t, nil)
	l := g.creates(3)
	age := func(want int64) {
		t.Helper()
		equal(t, "age", g.stats().OldestPending, want)
	}
	age(0)
	g.do(g.touch(l[0].ID))
	g.now += 60_000
	age(60_000)
	g.pass(40_000)
	g.now += 50_000
	age(150_000) // on its way
	g.do(g.update(l[1].ID, "1"))
	g.now += 10_000
	age(160_000)
	g.settle()
	age(10_000)
	g.pass(90_000)
	g.now += 1_000_000
	age(1_100_000)
	g.settle()
	age(0)
	g.do(g.destroy(l[2].ID))
	g.now += 30_000
	age(30_000)
	g.settle()
	age(0)
}

// TestAnOperationThatTheDiskRefusesHasItsNextTryAtItsTime (D11), and not before.
func TestAnOperationThatTheDiskRefusesHasItsNextTryAtItsTime(t *testing.T) {
	g := newRig(t, nil)
	g.s.rng = rand.New(dice{})
	r := g.destroy(persist.ID{9})
	g.do(r)
	out := g.refuses(persist.ErrCorrupt)
	g.refused(out, r, ErrNotDurable)
	equal(t, "wake", out.wake, 20*time.Millisecond)
	equal(t, "wake", g.pass(19_999).wake, micro(1))
	g.empty()
	g.pass(1)
	g.carries(1, 0, 0)
	equal(t, "wake", g.refuses(persist.ErrCorrupt).wake, 40*time.Millisecond)
}

// TestADestroyThatGivesUpWaitingIsNotDone, and the one behind it is.
func TestADestroyThatGivesUpWaitingIsNotDone(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxGraves = 1 })
	first, second, third := g.destroy(persist.ID{9, 1}), g.destroy(persist.ID{9, 2}), g.destroy(persist.ID{9, 3})
	for _, r := range []*request{first, second, third} {
		g.do(r)
	}
	left, ok := g.answer(g.do(abandon{req: second}), second).err.(*leftError) //nolint:errorlint // it is the answer itself
	equal(t, "nothing was done", ok && left.state == nil, true)
	g.settle()
	b := g.carries(1, 0, 0)
	equal(t, "the next", b.Ops[0].Ref.ID, third.id)
	g.ok(g.settle(), third)
	equal(t, "idle", g.s.idle(), true)
}

// TestAnEvictedSessionDoesNotComeBackByASlowRead (S32, S37).
func TestAnEvictedSessionDoesNotComeBackByASlowRead(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	g.cold(true)
	slow := g.read(rec.Hash)
	l := g.answer(g.do(slow), slow).load
	old, _ := g.disk.ByHash(t.Context(), slow.key)
	r := g.createReq("u")
	r.limit.Max = 1
	g.do(r)
	g.ok(g.settle(), r)
	slow.offer = &offer{load: l, record: old}
	g.refused(g.do(slow), slow, persist.ErrNotFound)
	equal(t, "graves at rest", g.s.graves.len(), 0)
}

// shared is a rig whose backend others write to, with a lease of a second.
func shared(t *testing.T) *rig {
	g := newRig(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Second })
	g.do(fresh{0})
	return g
}

// TestWhatWasReadBeforeNewsOfOthersAnswersAndIsNotKept.
func TestWhatWasReadBeforeNewsOfOthersAnswersAndIsNotKept(t *testing.T) {
	for _, k := range []kind{kindRead, kindReadID} {
		g := shared(t)
		rec := g.create("u")
		g.cold(true)
		g.do(fresh{0})
		r := g.read(rec.Hash)
		r.kind, r.id = k, rec.ID
		l := g.answer(g.do(r), r).load
		g.do(invalidate{[]persist.Event{{Kind: persist.SessionChanged, ID: rec.ID}}})
		old, _ := g.disk.ByID(t.Context(), rec.ID)
		r.offer = &offer{load: l, record: old}
		g.okay(g.answer(g.do(r), r))
		equal(t, "kept", g.stats().Hot, 0)
	}
}

// TestWithoutALeaseMemoryIsReplacedByWhatTheDiskSays.
func TestWithoutALeaseMemoryIsReplacedByWhatTheDiskSays(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	g.now += 1_000_000
	for _, resident := range []bool{true, false} {
		g.cold(!resident)
		r := g.req(kindReadID)
		r.id = rec.ID
		l := g.answer(g.do(r), r).load
		row, _ := g.disk.ByID(t.Context(), rec.ID)
		row.Version = 77
		r.offer = &offer{load: l, record: row}
		equal(t, "version", g.ok(g.do(r), r).view.Version, 77)
	}
	r := g.update(rec.ID, "1")
	w := g.by(r)
	g.ok(w, r)
	read := g.read(rec.Hash) // what is not on disk yet is newer than the disk
	row, _ := g.disk.ByID(t.Context(), rec.ID)
	l := g.answer(g.do(read), read).load
	read.offer = &offer{load: l, record: row}
	equal(t, "data", string(g.ok(g.do(read), read).view.Doc.JSON()), `{"k":1}`)
}
