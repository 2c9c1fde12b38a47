package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// userTombstone ends every session of a user but one: those in memory, on disk, being read
// and being created. Memory does not know them all, so each row of the user is held against
// it. The disk may have it in pieces.
//
// Sessions created later are not meant, though the user is the same. Their operations have a
// later order. Their rows have a greater key, which tells once a piece has been committed. But the first piece deletes whatever the user has when it is applied. So it stays before
// those creates, and a log-out that comes after one of them cannot join it: later counts
// them.
type userTombstone struct {
	commitNumber
	user    string
	except  persist.ID
	order   uint64         // sessions created later are not meant
	stuck   bool           // the disk refuses this one deletion
	later   int            // sessions of the user accepted since, and not settled: it does not mean them
	limited int            // of those, the ones whose limit counts the user's sessions
	through int64          // the greatest key that is yet to be deleted, 0 = whatever there is
	piece   uint64         // number of the commit of the last piece
	op      *destroyUserOp // that brings it to the disk
}

// addUser opens the tombstone of a user. There may be several of one user, with different
// sessions to keep.
func (t *tombstones) addUser(u *userTombstone) *userTombstone {
	t.users[u.user] = append(t.users[u.user], u)
	t.logouts++
	return u
}

func (u *userTombstone) forget(t *tombstones) {
	left := slices.DeleteFunc(t.users[u.user], func(x *userTombstone) bool { return x == u })
	t.logouts -= len(t.users[u.user]) - len(left)
	t.users[u.user] = left
	if len(left) == 0 {
		delete(t.users, u.user)
	}
}

// commitPiece notes that the disk has deleted the sessions of a user whose keys are greater
// than through.
func (t *tombstones) commitPiece(u *userTombstone, through int64) {
	t.commitSeq++
	u.piece, u.through = t.commitSeq, through
}

// decide holds a row of the user against its log-out, which the disk may have done in part:
//
//  1. A load reads a row.
//  2. A piece of the log-out deletes it. What it leaves has smaller keys.
//  3. The user logs in: the new session has a greater key.
//  4. The load ends. Only a load that began after the piece knows the one from the other.
func (u *userTombstone) decide(since uint64, r persist.Record) decision {
	switch {
	case u.except == r.ID:
		return install
	case u.commit == 0 && (u.through == 0 || r.Key <= u.through):
		return refuse
	case max(u.commit, u.piece) > since:
		return readAgain
	default:
		return install
	}
}

// stuckUser reports whether a log-out of the whole user cannot be stored. A
// session created meanwhile would be caught by its retry.
func (t *tombstones) stuckUser(user string) bool {
	for _, u := range t.users[user] {
		if u.stuck && u.commit == 0 {
			return true
		}
	}
	return false
}

// endsUser reports whether a log-out of the whole user that is not on disk yet was
// asked for after a session of the user was accepted, and so covers it.
func (t *tombstones) endsUser(user string, id persist.ID, order uint64) bool {
	for _, u := range t.users[user] {
		if u.commit == 0 && u.order > order && u.except != id {
			return true
		}
	}
	return false
}

// joinable is the log-out of a user that is yet to do what another asks for, nil if
// there is none: a disk that is down would let them pile up. One that is done in part does
// not mean the sessions that have begun since.
func (t *tombstones) joinable(user string, except persist.ID) *destroyUserOp {
	for _, u := range t.users[user] {
		if u.later == 0 && u.commit == 0 && u.through == 0 && u.except == except && u.op.stage == ready {
			return u.op
		}
	}
	return nil
}

// creating notes that a session of the user has been accepted, or, with -1, that it is
// settled. Log-outs that were accepted before order do not mean it. If its limit counts the
// user's sessions, it must find none that a log-out has left: that goes first, and whole.
func (t *tombstones) creating(user string, order uint64, limited bool, n int) {
	for _, u := range t.users[user] {
		if u.order >= order {
			continue
		}
		if u.later += n; limited {
			u.limited += n
			u.op.bulk = 0
		}
	}
}
