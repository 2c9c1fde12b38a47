package actor

import (
	"errors"
	"testing"

	"github.com/sessile/sessile/persist"
)

// row is a stored session, as a load that is under way may have read it.
func row(id, hash byte, user string) persist.Record {
	return persist.Record{Identity: &persist.Identity{ID: persist.ID{id}, UserID: user}, Hash: persist.Hash{hash}}
}

// TestAGraveHoldsARowThatWasReadBeforeItsBurial: while it is open it refuses, after that the row
// is read again, and a load that began later is believed (D7, S31, S32).
func TestAGraveHoldsARowThatWasReadBeforeItsBurial(t *testing.T) {
	r := row(1, 2, "u")
	for name, v := range map[string]*grave{
		"user":  {user: "u"},
		"token": {hash: r.Hash},
		"row":   {row: r.ID},
	} {
		g := newGraves()
		g.bury(g.open(&grave{id: persist.ID{99}}))
		g.open(v)
		if open := g.judge(1, r); open != refuse && name != "row" {
			t.Errorf("%s: open: %v", name, open)
		}
		g.bury(v) // the second
		equal(t, name+": began before", g.judge(1, r), again)
		equal(t, name+": began after", g.judge(2, r), keep)
	}
}

// TestADestroyedSessionIsRefusedAsLongAsItsGraveIsThere (S32).
func TestADestroyedSessionIsRefusedAsLongAsItsGraveIsThere(t *testing.T) {
	g := newGraves()
	v := g.open(&grave{id: persist.ID{1}})
	g.bury(v)
	equal(t, "closed", g.judge(1, row(1, 2, "")), refuse)
	g.prune(1)
	equal(t, "pruned", g.judge(1, row(1, 2, "")), keep)
}

// TestALogOutEverywhereSparesTheSessionItIsToKeep (S33).
func TestALogOutEverywhereSparesTheSessionItIsToKeep(t *testing.T) {
	g := newGraves()
	g.open(&grave{user: "u", except: persist.ID{1}, seq: 5})
	equal(t, "kept", g.judge(0, row(1, 1, "u")), keep)
	equal(t, "another", g.judge(0, row(2, 2, "u")), refuse)
	equal(t, "of another user", g.judge(0, row(3, 3, "v")), keep)
	equal(t, "ends the one to keep", g.endsUser("u", persist.ID{1}, 4), false)
	equal(t, "ends one created before", g.endsUser("u", persist.ID{2}, 4), true)
	equal(t, "ends one created with it", g.endsUser("u", persist.ID{2}, 5), false)
	equal(t, "ends one created after", g.endsUser("u", persist.ID{2}, 6), false)
}

func TestALogOutThatIsOnDiskEndsNoNewSession(t *testing.T) {
	g := newGraves()
	v := g.open(&grave{user: "u", seq: 5})
	equal(t, "stuck", g.stuckUser("u"), false)
	v.stuck = true
	equal(t, "stuck", g.stuckUser("u"), true)
	g.bury(v)
	equal(t, "stuck when it is done", g.stuckUser("u"), false)
	equal(t, "ends", g.endsUser("u", persist.ID{2}, 4), false)
}

// TestGravesAreCountedAndNoneIsLeft (I8).
func TestGravesAreCountedAndNoneIsLeft(t *testing.T) {
	g := newGraves()
	all := []*grave{
		{id: persist.ID{1}, hash: persist.Hash{1}}, {user: "u"}, {user: "u"}, {user: "v"}, {row: persist.ID{4}}, {hash: persist.Hash{5}},
	}
	for i, want := range []int{2, 3, 4, 5, 5, 6} { // a row is not counted: its session lives
		g.open(all[i])
		equal(t, "graves", g.len(), want)
	}
	for _, v := range all {
		g.bury(v)
		g.bury(v) // once
	}
	g.prune(3)
	equal(t, "graves", g.len(), 2)
	equal(t, "graves of u", len(g.users["u"]), 0)
	equal(t, "users", len(g.users), 1)
	g.prune(6)
	equal(t, "graves", g.len()+len(g.rows)+len(g.users)+len(g.buried), 0)
	equal(t, "burials", g.burials, 6)
}

func TestTheEndOfOneLogOutLeavesTheOther(t *testing.T) {
	g := newGraves()
	first, second := g.open(&grave{user: "u"}), g.open(&grave{user: "u", except: persist.ID{1}})
	g.bury(first)
	g.prune(1)
	equal(t, "graves", g.len(), 1)
	equal(t, "left", len(g.users["u"]) == 1 && g.users["u"][0] == second, true)
}

// TestAnOlderGraveDoesNotTakeANewerOneAway: two of one row, token or session.
func TestAnOlderGraveDoesNotTakeANewerOneAway(t *testing.T) {
	g := newGraves()
	dig := func() *grave { return g.open(&grave{id: persist.ID{1}, hash: persist.Hash{1}, row: persist.ID{1}}) }
	g.bury(dig())
	v := dig()
	g.prune(1)
	equal(t, "left", g.ids[v.id] == v && g.hashes[v.hash] == v && g.rows[v.row] == v, true)
}

func TestAReplacedTokenIsToldFromADestroyedOne(t *testing.T) {
	g := newGraves()
	was := &RotatedError{ID: persist.ID{1}, At: 5}
	g.open(&grave{hash: persist.Hash{1}, rotate: was})
	g.open(&grave{hash: persist.Hash{2}, id: persist.ID{2}})
	equal(t, "replaced", g.refuseHash(persist.Hash{1}), error(was))
	equal(t, "destroyed", g.refuseHash(persist.Hash{2}), persist.ErrNotFound)
	equal(t, "unknown", g.refuseHash(persist.Hash{3}), nil)
}

// TestErrorsOfWhatIsOverAreNotFoundAndNothingElse: one test is enough for a caller.
func TestErrorsOfWhatIsOverAreNotFoundAndNothingElse(t *testing.T) {
	for _, err := range []error{ErrExpired, &RotatedError{}} {
		equal(t, "is ErrNotFound", errors.Is(err, persist.ErrNotFound), true)
		equal(t, "is ErrUnavailable", errors.Is(err, persist.ErrUnavailable), false)
	}
}

// TestARowWhoseRotationMayBeDoneShowsTheTokenThatNobodyHas (D9): through as many as there were.
func TestARowWhoseRotationMayBeDoneShowsTheTokenThatNobodyHas(t *testing.T) {
	g := newGraves()
	first := g.open(&grave{hash: persist.Hash{1}, to: persist.Hash{2}, at: 7})
	second := g.open(&grave{hash: persist.Hash{2}, to: persist.Hash{3}, at: 8})
	r := g.amend(row(9, 1, "u"))
	equal(t, "token", r.Hash, persist.Hash{3})
	equal(t, "previous", r.Previous, persist.Hash{2})
	equal(t, "grace", r.Until, 0)
	g.bury(second)
	equal(t, "token when the second is known", g.amend(row(9, 1, "u")).Hash, persist.Hash{2})
	g.bury(first)
	equal(t, "token when both are", g.amend(row(9, 1, "u")).Hash, persist.Hash{1})
	g.open(&grave{hash: persist.Hash{4}, id: persist.ID{9}}) // destroyed, not replaced
	equal(t, "token of a destroyed one", g.amend(row(9, 4, "u")).Hash, persist.Hash{4})
}

// TestGravesOfOneRowAreCompactedWhenTheyAreMany (I8): those that a newer one makes needless.
func TestGravesOfOneRowAreCompactedWhenTheyAreMany(t *testing.T) {
	g := newGraves()
	write := func(id byte) { g.bury(g.open(&grave{row: persist.ID{id}})); g.compact() }
	for range 63 {
		write(1)
	}
	equal(t, "few are left alone", len(g.buried), 63)
	write(1)
	equal(t, "of 64", len(g.buried), 1)
	equal(t, "the newest", g.rows[persist.ID{1}] == g.buried[0], true)
}

func TestGravesThatAreNeededAreNotCompacted(t *testing.T) {
	g := newGraves()
	for i := range byte(30) {
		g.bury(g.open(&grave{row: persist.ID{1, i}}))
	}
	g.bury(g.open(&grave{id: persist.ID{2}}))
	g.bury(g.open(&grave{hash: persist.Hash{2}}))
	g.bury(g.open(&grave{user: "u"}))
	for range 32 { // 65 by now, and 33 of them needed: it does not pay
		g.bury(g.open(&grave{row: persist.ID{1}}))
	}
	g.compact()
	equal(t, "before it pays", len(g.buried), 65)
	g.bury(g.open(&grave{row: persist.ID{1}}))
	g.compact()
	equal(t, "at half", len(g.buried), 33)
	equal(t, "graves", g.len(), 3)
}
