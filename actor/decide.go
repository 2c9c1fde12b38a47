package actor

import "github.com/sessile/sessile/persist"

// decision is what may be done with a row from the disk.
type decision uint8

const (
	install    decision = iota + 1 // it is current: put it into memory
	answerOnly                     // it may answer those who asked, and is not put into memory
	useMemory                      // memory has the session, and is newer
	readAgain                      // it may be outdated
	refuse                         // its session is over
)

// decide holds a row that was read by a load which began after since commits against
// the tombstones.
func (t *tombstones) decide(since uint64, r persist.Record) decision {
	if t.sessions[r.ID] != nil {
		return refuse
	}
	for _, u := range t.users[r.UserID] {
		switch {
		case u.except == r.ID:
		case u.commit == 0:
			return refuse
		case u.commit > since:
			return readAgain
		}
	}
	if v := t.versions[r.ID]; v != nil && v.commit > since {
		return readAgain
	}
	if k := t.tokens[r.Hash]; k != nil {
		if k.commit == 0 {
			return refuse
		}
		if k.commit > since {
			return readAgain
		}
	}
	return install
}

// refused is the answer to a token that is known to open nothing, nil if it is not.
func (t *tombstones) refused(h persist.Hash) error {
	switch k := t.tokens[h]; {
	case k == nil:
		return nil
	case k.replaced != nil:
		return k.replaced
	default:
		return persist.ErrNotFound
	}
}

// redirect gives a row whose token is being replaced, with an unknown outcome so
// far, the token that nobody has: the old one opens nothing.
func (t *tombstones) redirect(r persist.Record) persist.Record {
	for k := t.tokens[r.Hash]; k != nil && k.commit == 0 && k.to != (persist.Hash{}); k = t.tokens[r.Hash] {
		r.Hash, r.Rotation = k.to, lockedOut(k.hash, k.at)
	}
	return r
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
