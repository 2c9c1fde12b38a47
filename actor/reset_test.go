package actor

import (
	"testing"
)

// TestReadBeforeAResetAnswersAndIsNotKept: it may be outdated.
func TestReadBeforeAResetAnswersAndIsNotKept(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.cold(true)
	for _, r := range []command{g.read(rec.Hash), g.readID(rec.ID)} {
		l := g.answer(g.do(r), r).load
		row, _ := g.disk.ByID(t.Context(), rec.ID)
		g.do(reset{reason: "another program has written"})
		g.okay(g.answer(g.do(&loaded{load: l, record: row}), r))
		equal(t, "kept", g.stats().Hot, 0)
	}
}

// TestCreateDuringAResetIsNotKept: others may have changed it since its commit.
func TestCreateDuringAResetIsNotKept(t *testing.T) {
	g := newHarness(t, nil)
	x := g.createReq("u")
	g.do(x)
	done := g.commit()
	g.do(reset{reason: "another program has written"})
	g.ok(g.do(done), x)
	equal(t, "kept", g.stats().Hot, 0)
}
