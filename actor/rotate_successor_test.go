package actor

import (
	"errors"
	"testing"

	"github.com/sessile/sessile/persist"
)

// lose rotates a session's token with a grace, and lets a minute pass in which nobody
// presents the new one.
func (g *harness) lose(rec *persist.Record, to byte) *rotateCommand {
	g.Helper()
	r := g.graced(rec.ID, to)
	g.rotated(r)
	g.now += lostAfter
	return r
}

// reissue is a rotation from the token before, which replaces the current one if it is lost.
func (g *harness) reissue(rec *persist.Record, to byte) *rotateCommand {
	r := g.graced(rec.ID, to)
	r.change.From = rec.Hash
	return r
}

// TestRotateReplacesALostSuccessorAfterAMinute, and opens nothing from then on; the token before
// keeps its grace.
func TestRotateReplacesALostSuccessorAfterAMinute(t *testing.T) {
	for _, cold := range []bool{false, true} {
		g := newHarness(t, nil)
		rec := g.create("u")
		lost := g.lose(rec, 1)
		g.now--
		g.cold(cold)
		early := g.reissue(rec, 2)
		g.rotatedError(g.throughDisk(early, early))
		g.now++
		r := g.reissue(rec, 3)
		g.throughDisk(r, r)
		g.ok(g.settle(), r)
		for range 2 { // in memory, and from disk
			equal(t, "the lost one opens", g.opens(lost.change.To), false)
			equal(t, "the new one opens", g.opens(r.change.To), true)
			equal(t, "the one before opens", g.opens(rec.Hash), true)
			g.cold(true)
		}
		again := g.reissue(rec, 4) // there is a minute for this one too
		g.rotatedError(g.throughDisk(again, again))
		g.do(wakeUp{})
		equal(t, "at rest", g.c.idle() && g.c.tombstones.len() == 0, true)
	}
}

// throughDisk sends a message for r, by way of the disk if the core asks for it. The answer
// may be to come.
func (g *harness) throughDisk(r command, m message) response {
	g.Helper()
	for _, a := range g.do(m).replies {
		if a.call != r.base() {
			continue
		}
		if a.load == nil {
			return responseOf(a)
		}
		o := &loaded{load: a.load}
		if o.record, o.err = g.disk.ByID(g.Context(), a.load.id); a.load.kind == byToken {
			o.record, o.err = g.disk.ByHash(g.Context(), a.load.token)
		}
		return g.throughDisk(r, o)
	}
	return response{}
}

func TestRotateReplacesALostSuccessorFromTheTokenBeforeOnly(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	lost := g.lose(rec, 1)
	whoever := g.graced(rec.ID, 2) // it may have the new token itself
	g.refused(g.do(whoever), whoever, ErrInGrace)
	current := g.graced(rec.ID, 3)
	current.change.From = lost.change.To
	g.refused(g.do(current), current, ErrInGrace)
	none := g.reissue(rec, 4)
	none.change.Until = 0
	g.rotatedError(g.answer(g.do(none), none))
	g.okay(g.find(lost.change.To))
}

func TestRotateDoesNotReplaceASuccessorThatWasSeen(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	lost := g.lose(rec, 1)
	g.startCommit()
	r := g.reissue(rec, 2)
	g.do(r)
	g.seen(lost, g.now+1_000_000) // before the rotation leaves
	g.rotatedError(g.answer(g.settle(), r))
	g.pass(interval)
	g.settle()
	equal(t, "it opens", g.opens(lost.change.To), true)
	again := g.reissue(rec, 3)
	g.rotatedError(g.answer(g.do(again), again))
}

// TestRotateReplacesALostSuccessorOnce: of parallel requests one gets the new token.
func TestRotateReplacesALostSuccessorOnce(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.lose(rec, 1)
	g.startCommit()
	first, second := g.reissue(rec, 2), g.reissue(rec, 3)
	g.do(first)
	g.do(second)
	g.rotatedError(g.answer(g.settle(), second))
	b := g.carries(1, 0, 0)
	equal(t, "the token before", b.Ops[0].From, rec.Hash)
	g.ok(g.settle(), first)
	equal(t, "the first one's opens", g.opens(first.change.To), true)
	equal(t, "the second one's opens", g.opens(second.change.To), false)
}

func TestRotateThatWasNotDoneKeepsTheLostSuccessor(t *testing.T) {
	for name, fail := range map[string]func(g *harness) *effects{
		"not committed": func(g *harness) *effects { return g.fails(persist.ErrUnavailable) },
		"refused alone": func(g *harness) *effects { return g.refuses(persist.ErrCorrupt) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newHarness(t, nil)
			rec := g.create("u")
			lost := g.lose(rec, 1)
			r := g.reissue(rec, 2)
			g.do(r)
			g.refused(fail(g), r, persist.ErrUnavailable)
			equal(t, "it opens", g.opens(lost.change.To), true)
			equal(t, "the one before opens", g.opens(rec.Hash), true)
			equal(t, "pinned", g.c.hot.Pinned(), 0)
		})
	}
}

// TestRotateOfUnknownOutcomeKillsTheLostSuccessor: whatever the disk did, at once and after
// the retry. The token before is good all the while, and the next minute brings another.
func TestRotateOfUnknownOutcomeKillsTheLostSuccessor(t *testing.T) {
	for _, done := range []bool{false, true} {
		g := newHarness(t, nil)
		rec := g.create("u")
		lost := g.lose(rec, 1)
		r := g.reissue(rec, 2)
		g.do(r)
		g.refused(g.unknown(done), r, persist.ErrUnknown)
		equal(t, "the lost one opens before the retry", g.opens(lost.change.To), false)
		equal(t, "the one before opens before the retry", g.opens(rec.Hash), true)
		other := g.reissue(rec, 3)
		g.rotatedError(g.answer(g.do(other), other))
		g.pass(10_000_000)
		g.carries(1, 0, 0)
		g.settle()
		for range 2 {
			equal(t, "the lost one opens", g.opens(lost.change.To), false)
			equal(t, "the one before opens", g.opens(rec.Hash), true)
			g.cold(true)
		}
		equal(t, "at rest", g.c.idle() && g.c.tombstones.len() == 0 && g.c.hot.Pinned() == 0, true)
		g.now += lostAfter
		next := g.reissue(rec, 4)
		g.throughDisk(next, next)
		g.ok(g.settle(), next)
		equal(t, "nobody's opens", g.opens(r.change.To), false)
		equal(t, "the next one opens", g.opens(next.change.To), true)
	}
}

// unknown ends the commit in flight with an unknown outcome.
func (g *harness) unknown(done bool) *effects {
	g.Helper()
	if done {
		return g.do(batchDone{err: errors.Join(persist.ErrUnknown, g.commit().err)})
	}
	return g.fails(persist.ErrUnknown)
}

// TestRotateOfUnknownOutcomeWithoutAGraceKillsTheLostSuccessorAndTheTokenBefore: one without a grace
// kills both, whichever of the two rotations the disk has done.
func TestRotateOfUnknownOutcomeWithoutAGraceKillsTheLostSuccessorAndTheTokenBefore(t *testing.T) {
	for first := range 2 {
		for second := range 2 {
			g := newHarness(t, func(c *Config) { c.Entries = 1 })
			rec := g.create("u")
			lost := g.lose(rec, 1)
			r, p := g.reissue(rec, 2), g.rotate(rec.ID, 3)
			g.do(r)
			g.unknown(first == 1)
			g.do(p)
			g.pass(2_000_000)
			g.carries(2, 0, 0)
			g.refused(g.unknown(second == 1), p, persist.ErrUnknown)
			dead := func(when string) {
				for _, h := range []persist.Hash{rec.Hash, lost.change.To, r.change.To, p.change.To} {
					equal(t, when+": a token opens", g.opens(h) && h != p.change.To, false)
				}
			}
			dead("in memory")
			g.cold(true)
			dead("from disk")
			g.pass(2_000_000)
			g.settle()
			dead("after the retry")
			equal(t, "at rest", g.c.idle() && g.c.tombstones.len() == 0, true)
		}
	}
}

// TestRotateOfALostSuccessorIsNotUndoneByALoad: 1. A load by the lost token reads the row. 2. The
// token is replaced. 3. The load is offered.
func TestRotateOfALostSuccessorIsNotUndoneByALoad(t *testing.T) {
	for _, evicted := range []bool{false, true} {
		g := newHarness(t, nil)
		rec := g.create("u")
		lost := g.lose(rec, 1)
		g.cold(true)
		read := g.read(lost.change.To)
		l := g.answer(g.do(read), read).load
		row, err := g.disk.ByHash(t.Context(), read.token)
		if err != nil {
			t.Fatal(err)
		}
		r := g.reissue(rec, 2)
		g.throughDisk(r, r)
		g.ok(g.settle(), r)
		g.cold(evicted)
		a := g.throughDisk(read, &loaded{load: l, record: row})
		if !errors.Is(a.err, persist.ErrNotFound) {
			t.Errorf("evicted %t: %v", evicted, a.err)
		}
	}
}
