package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// userTombstone ends every session of a user but one.
type userTombstone struct {
	commitNumber
	user   string
	except persist.ID
	order  uint64         // sessions created later are not meant
	stuck  bool           // the disk refuses this one deletion
	later  int            // sessions of the user accepted since, and not settled: it does not mean them
	op     *destroyUserOp // that brings it to the disk
}

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
// there is none: a disk that is down would let them pile up.
func (t *tombstones) joinable(user string, except persist.ID) *destroyUserOp {
	for _, u := range t.users[user] {
		if u.later == 0 && u.commit == 0 && u.except == except && u.op.stage == ready {
			return u.op
		}
	}
	return nil
}

// creating notes that a session of the user has been accepted, or, with -1, that it is
// settled. Log-outs that were accepted before order do not mean it.
func (t *tombstones) creating(user string, order uint64, n int) {
	for _, u := range t.users[user] {
		if u.order < order {
			u.later += n
		}
	}
}
