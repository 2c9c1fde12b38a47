package actor

import (
	"errors"
	"testing"

	"github.com/sessile/sessile/persist"
)

// row is a stored session, as a load in progress may have read it.
func row(id, hash byte, user string) persist.Record {
	return persist.Record{Identity: &persist.Identity{ID: persist.ID{id}, UserID: user}, Hash: persist.Hash{hash}}
}

// TestTombstoneRefusesARowThatWasReadBeforeItsCommit: while it is open it refuses, after
// that the row is read again, and a load that began later is believed (D7, S31, S32).
func TestTombstoneRefusesARowThatWasReadBeforeItsCommit(t *testing.T) {
	r := row(1, 2, "u")
	for name, add := range map[string]func(*tombstones) tombstone{
		"user":  func(x *tombstones) tombstone { return x.addUser(&userTombstone{user: "u"}) },
		"token": func(x *tombstones) tombstone { return x.addToken(&tokenTombstone{hash: r.Hash}) },
	} {
		x := newTombstones()
		x.commitOne(x.addToken(&tokenTombstone{hash: persist.Hash{99}}))
		v := add(&x)
		equal(t, name+": open", x.decide(1, r), refuse)
		x.commitOne(v) // the second
		equal(t, name+": began before", x.decide(1, r), readAgain)
		equal(t, name+": began after", x.decide(2, r), install)
	}
	x := newTombstones()
	x.addVersion(r.ID)
	equal(t, "version: began before", x.decide(0, r), readAgain)
	equal(t, "version: began after", x.decide(1, r), install)
}

// TestTombstoneRefusesADestroyedSession (S32).
func TestTombstoneRefusesADestroyedSession(t *testing.T) {
	x := newTombstones()
	x.commitSession(x.addSession(persist.ID{1}, persist.Hash{}, ""))
	equal(t, "committed", x.decide(1, row(1, 2, "")), refuse)
	x.prune(1)
	equal(t, "pruned", x.decide(1, row(1, 2, "")), install)
}

// TestTombstoneOfAUserSparesTheSessionToKeep (S33).
func TestTombstoneOfAUserSparesTheSessionToKeep(t *testing.T) {
	x := newTombstones()
	x.addUser(&userTombstone{user: "u", except: persist.ID{1}, order: 5})
	equal(t, "kept", x.decide(0, row(1, 1, "u")), install)
	equal(t, "another", x.decide(0, row(2, 2, "u")), refuse)
	equal(t, "of another user", x.decide(0, row(3, 3, "v")), install)
	equal(t, "ends the one to keep", x.endsUser("u", persist.ID{1}, 4), false)
	equal(t, "ends one created before", x.endsUser("u", persist.ID{2}, 4), true)
	equal(t, "ends one created with it", x.endsUser("u", persist.ID{2}, 5), false)
	equal(t, "ends one created after", x.endsUser("u", persist.ID{2}, 6), false)
}

// TestTombstoneOfALogOutInPiecesTellsANewSessionFromAnEndedOne: by its key, and by what its load saw.
func TestTombstoneOfALogOutInPiecesTellsANewSessionFromAnEndedOne(t *testing.T) {
	x := newTombstones()
	u := x.addUser(&userTombstone{user: "u", except: persist.ID{9}})
	r := row(1, 1, "u")
	at := func(key int64) persist.Record { r.Key = key; return r }
	equal(t, "before the first piece", x.decide(0, at(100)), refuse)
	x.commitPiece(u, 50)
	equal(t, "one that it has left", x.decide(1, at(50)), refuse)
	equal(t, "read before the piece", x.decide(0, at(51)), readAgain)
	equal(t, "read after the piece", x.decide(1, at(51)), install)
	x.commitPiece(u, 20)
	equal(t, "read between two pieces", x.decide(1, at(51)), readAgain)
	equal(t, "and the one to keep", x.decide(0, row(9, 1, "u")), install)
	x.commitOne(u)
	equal(t, "read before the last one", x.decide(2, at(20)), readAgain)
	equal(t, "read after the last one", x.decide(3, at(51)), install)
}

func TestTombstoneOfAUserSparesSessionsThatBeginAfterItsCommit(t *testing.T) {
	x := newTombstones()
	v := x.addUser(&userTombstone{user: "u", order: 5})
	equal(t, "stuck", x.stuckUser("u"), false)
	v.stuck = true
	equal(t, "stuck", x.stuckUser("u"), true)
	x.commitOne(v)
	equal(t, "stuck when it is done", x.stuckUser("u"), false)
	equal(t, "ends", x.endsUser("u", persist.ID{2}, 4), false)
}

// TestTombstonesAreCountedAndNoneIsLeft (I8).
func TestTombstonesAreCountedAndNoneIsLeft(t *testing.T) {
	x := newTombstones()
	s := x.addSession(persist.ID{1}, persist.Hash{1}, "")
	equal(t, "of a session and its token", x.len(), 2)
	first, second, third := x.addUser(&userTombstone{user: "u"}), x.addUser(&userTombstone{user: "u"}), x.addUser(&userTombstone{user: "v"})
	equal(t, "and of users", x.len(), 5)
	x.addVersion(persist.ID{4}) // is not counted: its session lives
	k := x.addToken(&tokenTombstone{hash: persist.Hash{5}})
	equal(t, "and of a token", x.len(), 6)
	for range 2 { // once
		x.commitSession(s)
		for _, v := range []tombstone{first, second, third, k} {
			x.commitOne(v)
		}
	}
	x.prune(4)
	equal(t, "tombstones", x.len(), 2)
	equal(t, "of u", len(x.users["u"]), 0)
	equal(t, "users", len(x.users), 1)
	x.prune(6)
	equal(t, "tombstones", x.len()+len(x.versions)+len(x.users)+len(x.committed), 0)
	equal(t, "commits", x.commitSeq, 6)
}

func TestTombstoneOfOneUserOutlivesTheEndOfAnother(t *testing.T) {
	x := newTombstones()
	first, second := x.addUser(&userTombstone{user: "u"}), x.addUser(&userTombstone{user: "u", except: persist.ID{1}})
	x.commitOne(first)
	x.prune(1)
	equal(t, "tombstones", x.len(), 1)
	equal(t, "left", len(x.users["u"]) == 1 && x.users["u"][0] == second, true)
}

// TestTombstoneIsNotRemovedByAnOlderOne: two of one row, token or session.
func TestTombstoneIsNotRemovedByAnOlderOne(t *testing.T) {
	x := newTombstones()
	x.addVersion(persist.ID{1})
	x.commitSession(x.addSession(persist.ID{1}, persist.Hash{1}, ""))
	v := x.addSession(persist.ID{1}, persist.Hash{1}, "")
	x.addVersion(persist.ID{1})
	x.prune(2)
	equal(t, "left", x.sessions[v.id] == v && x.tokens[v.token.hash] == v.token && x.versions[v.id] != nil, true)
}

func TestTombstoneTellsAReplacedTokenFromADestroyedOne(t *testing.T) {
	x := newTombstones()
	was := &RotatedError{ID: persist.ID{1}, At: 5}
	x.addToken(&tokenTombstone{hash: persist.Hash{1}, replaced: was})
	x.addSession(persist.ID{2}, persist.Hash{2}, "")
	equal(t, "replaced", x.refused(persist.Hash{1}), error(was))
	equal(t, "destroyed", x.refused(persist.Hash{2}), persist.ErrNotFound)
	equal(t, "unknown", x.refused(persist.Hash{3}), nil)
}

// TestTombstoneErrorsAreErrNotFound: one test is enough for a caller.
func TestTombstoneErrorsAreErrNotFound(t *testing.T) {
	for _, err := range []error{ErrExpired, &RotatedError{}} {
		equal(t, "is ErrNotFound", errors.Is(err, persist.ErrNotFound), true)
		equal(t, "is ErrUnavailable", errors.Is(err, persist.ErrUnavailable), false)
	}
}

// TestTombstoneOfARotationShowsTheTokenThatNobodyHas (D9): through as many as there were.
func TestTombstoneOfARotationShowsTheTokenThatNobodyHas(t *testing.T) {
	x := newTombstones()
	first := x.addToken(&tokenTombstone{hash: persist.Hash{1}, to: persist.Hash{2}, at: 7})
	second := x.addToken(&tokenTombstone{hash: persist.Hash{2}, to: persist.Hash{3}, at: 8})
	r := x.redirect(row(9, 1, "u"))
	equal(t, "token", r.Hash, persist.Hash{3})
	equal(t, "previous", r.Previous, persist.Hash{2})
	equal(t, "grace", r.Until, 0)
	x.commitOne(second)
	equal(t, "token when the second is known", x.redirect(row(9, 1, "u")).Hash, persist.Hash{2})
	x.commitOne(first)
	equal(t, "token when both are", x.redirect(row(9, 1, "u")).Hash, persist.Hash{1})
	x.addSession(persist.ID{9}, persist.Hash{4}, "") // destroyed, not replaced
	equal(t, "token of a destroyed one", x.redirect(row(9, 4, "u")).Hash, persist.Hash{4})
}

// TestTombstonesOfOneRowAreCompactedWhenTheyAreMany (I8): those that a newer one makes needless.
func TestTombstonesOfOneRowAreCompactedWhenTheyAreMany(t *testing.T) {
	x := newTombstones()
	for range 63 {
		x.addVersion(persist.ID{1})
	}
	equal(t, "few are left alone", len(x.committed), 63)
	x.addVersion(persist.ID{1})
	equal(t, "of 64", len(x.committed), 1)
	equal(t, "the newest", tombstone(x.versions[persist.ID{1}]) == x.committed[0], true)
}

func TestTombstonesThatAreNeededAreNotCompacted(t *testing.T) {
	x := newTombstones()
	for i := range byte(30) {
		x.addVersion(persist.ID{1, i})
	}
	x.commitSession(x.addSession(persist.ID{2}, persist.Hash{}, ""))
	x.commitOne(x.addToken(&tokenTombstone{hash: persist.Hash{2}}))
	x.commitOne(x.addUser(&userTombstone{user: "u"}))
	for range 32 { // 65 by now, and 33 of them needed: it does not pay
		x.addVersion(persist.ID{1})
	}
	equal(t, "before it pays", len(x.committed), 65)
	x.addVersion(persist.ID{1})
	equal(t, "at half", len(x.committed), 33)
	equal(t, "tombstones", x.len(), 3)
}
