package actor

import (
	"errors"
	"testing"

	"github.com/sessile/sessile/persist"
)

// relogin is a login of the same user that replaces a session.
func (g *harness) relogin(old *persist.Record, l persist.Limit) *createCommand {
	r := g.createReq(old.UserID)
	r.limit, r.replaces = l, old.ID
	return r
}

// opens reports whether a token opens a session, in memory or on disk.
func (g *harness) opens(h persist.Hash) bool {
	g.Helper()
	a := g.find(h)
	if a.err != nil && !errors.Is(a.err, persist.ErrNotFound) {
		g.Fatal(a.err)
	}
	return a.err == nil
}

func TestReplaceKeepsTheOldSessionUntilTheNewOneIsAcknowledged(t *testing.T) {
	g := newHarness(t, nil)
	other, old := g.create("u"), g.create("u")
	w := g.watch(old.ID)
	g.ok(g.do(w), w)
	g.do(g.update(old.ID, "1")) // what is not on disk yet ends with it
	r := g.relogin(old, persist.Limit{Max: 2, Refuse: true})
	g.do(r)
	equal(t, "the old one opens while the login is in flight", g.opens(old.Hash), true)
	out := g.settle()
	g.ok(out, r)
	equal(t, "watchers told", len(out.ended), 1)
	equal(t, "Destroyed", happened(out, EventDestroyed), 1)
	equal(t, "Evicted", happened(out, EventEvicted), 0)
	equal(t, "reason", out.events[0].Reason, "replaced by a login")
	equal(t, "the old one is in memory", g.c.hot.ByID(old.ID) != nil, false)
	equal(t, "the old one opens", g.opens(old.Hash), false)
	equal(t, "the new one opens", g.opens(r.record.Hash), true)
	equal(t, "another device's opens", g.opens(other.Hash), true)
	equal(t, "at rest", g.c.idle(), true)
	s := g.stats()
	equal(t, "destroyed", s.Destroyed, 1)
	equal(t, "evicted", s.Evicted, 0)
}

// TestReplaceIsNotUndoneByALoad: 1. A load reads the row. 2. The login is
// committed. 3. The load is offered.
func TestReplaceIsNotUndoneByALoad(t *testing.T) {
	g := newHarness(t, nil)
	old := g.create("u")
	g.cold(true)
	read := g.read(old.Hash)
	l := g.answer(g.do(read), read).load
	rec, err := g.disk.ByHash(t.Context(), read.token)
	if err != nil {
		t.Fatal(err)
	}
	r := g.relogin(old, persist.Limit{})
	g.do(r)
	g.ok(g.settle(), r)
	offer := &loaded{load: l, record: rec}
	g.refused(g.do(offer), read, persist.ErrNotFound)
}

func TestReplaceThatFailsKeepsTheOldSession(t *testing.T) {
	for name, fail := range map[string]func(g *harness) *effects{
		"not committed": func(g *harness) *effects { return g.fails(persist.ErrUnavailable) },
		"refused alone": func(g *harness) *effects { return g.refuses(persist.ErrCorrupt) },
		"limit reached": func(g *harness) *effects { return g.settle() },
	} {
		t.Run(name, func(t *testing.T) {
			g := newHarness(t, nil)
			g.create("u")
			old := g.create("u")
			w := g.watch(old.ID)
			g.ok(g.do(w), w)
			r := g.relogin(old, persist.Limit{Max: 1, Refuse: true})
			g.do(r)
			out := fail(g)
			if g.answer(out, r).err == nil {
				t.Fatal("no error")
			}
			equal(t, "watchers told", len(out.ended), 0)
			equal(t, "the old one opens", g.opens(old.Hash), true)
			g.cold(true)
			equal(t, "from disk", g.opens(old.Hash), true)
		})
	}
}

// TestReplaceOfUnknownOutcomeReadsTheOldSessionFromDisk: memory does not go on serving
// what may have ended, and does not refuse what may be good. Nobody gets the new token.
func TestReplaceOfUnknownOutcomeReadsTheOldSessionFromDisk(t *testing.T) {
	for _, done := range []bool{false, true} {
		g := newHarness(t, nil)
		old := g.create("u")
		w := g.watch(old.ID)
		g.ok(g.do(w), w)
		r := g.relogin(old, persist.Limit{})
		g.do(r)
		var out *effects
		if done {
			out = g.do(batchDone{err: errors.Join(persist.ErrUnknown, g.commit().err)})
		} else {
			out = g.fails(persist.ErrUnknown)
		}
		g.refused(out, r, persist.ErrUnknown)
		g.pass(10_000_000)
		ended := g.settle().ended // the clean-up of the new one, and the watched one's question
		equal(t, "watchers told", len(ended), map[bool]int{true: 1}[done])
		equal(t, "the old one opens", g.opens(old.Hash), !done)
		equal(t, "the new one opens", g.opens(r.record.Hash), false)
		equal(t, "at rest", g.c.idle() && g.c.tombstones.len() == 0, true)
	}
}

// TestReplaceRefusesTheOldSessionThoughAnEarlierLoginHadEndedIt: 1. A login replaces it, with an
// unknown outcome; it is gone from the disk. 2. A change of it waits for the disk, and keeps
// it in memory. 3. Another login in its place is acknowledged.
func TestReplaceRefusesTheOldSessionThoughAnEarlierLoginHadEndedIt(t *testing.T) {
	g := newHarness(t, nil)
	old := g.create("u")
	first, second := g.relogin(old, persist.Limit{}), g.relogin(old, persist.Limit{})
	g.do(first)
	g.do(g.update(old.ID, "1"))
	g.refused(g.unknown(true), first, persist.ErrUnknown)
	g.do(second)
	g.pass(2 * retryFirst.Microseconds()) // the login does not wait any longer, the change does
	g.carries(2, 0, 0)
	g.ok(g.settle(), second)
	equal(t, "the old one opens", g.opens(old.Hash), false)
}

func TestReplaceEndsThePendingRotationOfTheOldSession(t *testing.T) {
	g := newHarness(t, nil)
	old := g.create("u")
	g.startCommit()
	before, r, after := g.rotate(old.ID, 1), g.relogin(old, persist.Limit{}), g.rotate(old.ID, 2)
	for _, x := range []command{before, r, after} {
		g.do(x)
	}
	g.settle()
	g.carries(3, 0, 0)
	out := g.settle()
	g.ok(out, before)
	g.ok(out, r)
	g.refused(out, after, persist.ErrNotFound)
	for _, h := range []persist.Hash{old.Hash, before.change.To, after.change.To} {
		equal(t, "a token of the old one opens", g.opens(h), false)
	}
	equal(t, "pinned", g.c.hot.Pinned(), 0)
}

func TestReplaceOfASessionThatIsBeingDestroyedEndsItOnce(t *testing.T) {
	g := newHarness(t, nil)
	old := g.create("u")
	g.startCommit()
	r, d := g.relogin(old, persist.Limit{}), g.destroy(old.ID)
	g.do(r)
	g.do(d)
	g.settle()
	out := g.settle()
	g.ok(out, r)
	g.ok(out, d)
	equal(t, "Destroyed", happened(out, EventDestroyed), 1)
	equal(t, "the new one opens", g.opens(r.record.Hash), true)
}

func TestReplaceEndsWithDestroyUser(t *testing.T) {
	g := newHarness(t, nil)
	old := g.create("u")
	g.startCommit()
	r, w := g.relogin(old, persist.Limit{}), g.wipe("u")
	g.do(r)
	g.do(w)
	equal(t, "the old one opens", g.opens(old.Hash), false)
	g.settle()
	g.ok(g.settle(), w)
	equal(t, "the new one opens", g.opens(r.record.Hash), false)
}

// TestDestroyUserExceptOneWaitsForTheLoginThatReplacesIt: else it would end the new one.
func TestDestroyUserExceptOneWaitsForTheLoginThatReplacesIt(t *testing.T) {
	set := func(t *testing.T) (g *harness, other *persist.Record, r *createCommand, w *destroyUserCommand) {
		g = newHarness(t, nil)
		other = g.create("u")
		old := g.create("u")
		r, w = g.relogin(old, persist.Limit{}), g.wipe("u")
		w.except = old.ID
		g.do(r)
		g.waits(g.do(w), w)
		equal(t, "the other one opens", g.opens(other.Hash), true)
		return g, other, r, w
	}
	t.Run("done", func(t *testing.T) {
		g, other, r, w := set(t)
		out := g.settle()
		g.ok(out, r)
		_, err := g.disk.ByID(t.Context(), w.except) // what it would keep is over
		offer := &loaded{load: g.answer(out, w).load, err: err}
		g.refused(g.do(offer), w, persist.ErrNotFound)
		equal(t, "the new one opens", g.opens(r.record.Hash), true)
		equal(t, "the other one opens", g.opens(other.Hash), true)
	})
	t.Run("failed", func(t *testing.T) {
		g, other, r, w := set(t)
		out := g.fails(persist.ErrUnavailable)
		g.refused(out, r, persist.ErrUnavailable)
		g.waits(out, w)
		g.pass(1_000_000)
		g.ok(g.settle(), w)
		equal(t, "the kept one is there", g.c.hot.ByID(w.except) != nil, true)
		equal(t, "the other one opens", g.opens(other.Hash), false)
	})
	t.Run("given up", func(t *testing.T) {
		g, other, _, w := set(t)
		if a := g.answer(g.do(abandon{call: w.base()}), w); a.err == nil || errors.Is(a.err, ErrNotDurable) {
			t.Fatal(a.err)
		}
		g.settle()
		equal(t, "the other one opens", g.opens(other.Hash), true)
	})
	t.Run("closed", func(t *testing.T) {
		g, _, _, w := set(t)
		g.refused(g.do(closing{}), w, ErrClosed)
	})
}
