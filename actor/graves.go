package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// graves remembers what is over and must not come back: destroyed sessions,
// replaced tokens, users who were logged out everywhere, and rows that were
// written over. A grave is open until the disk has it too; it is kept after that
// for as long as a load that began before could still bring the old row.
type graves struct {
	ids     map[persist.ID]*grave
	hashes  map[persist.Hash]*grave
	users   map[string][]*grave
	rows    map[persist.ID]*grave
	buried  []*grave // closed but still needed, in order of burial
	burials uint64   // closed so far
	wiped   int      // in users
}

type grave struct {
	id     persist.ID
	row    persist.ID // an older version of this row is over, its session is not
	hash   persist.Hash
	to     persist.Hash  // what replaces the hash, if the disk may have it or not
	at     int64         // and when that was tried
	rotate *RotatedError // the hash was replaced rather than destroyed
	user   string        // every session of the user is over
	except persist.ID    // but this one
	owner  string        // whose session id was, if known
	seq    uint64        // sessions created later are not meant
	stuck  bool          // the disk refuses this one deletion
	closed uint64        // number of its burial, 0 while the disk does not have it
}

func newGraves() graves {
	return graves{
		ids:    make(map[persist.ID]*grave),
		hashes: make(map[persist.Hash]*grave),
		users:  make(map[string][]*grave),
		rows:   make(map[persist.ID]*grave),
	}
}

func (g *graves) len() int { return len(g.ids) + len(g.hashes) + g.wiped }

// open digs a grave; zero parts of it are not indexed.
func (g *graves) open(v *grave) *grave {
	if !v.id.IsZero() {
		g.ids[v.id] = v
	}
	if v.hash != (persist.Hash{}) {
		g.hashes[v.hash] = v
	}
	if !v.row.IsZero() {
		g.rows[v.row] = v
	}
	if v.user != "" {
		g.users[v.user] = append(g.users[v.user], v)
		g.wiped++
	}
	return v
}

// bury closes a grave: the disk has it.
func (g *graves) bury(v *grave) {
	if v == nil || v.closed != 0 {
		return
	}
	g.burials++
	v.closed = g.burials
	g.buried = append(g.buried, v)
}

// prune forgets the graves that no load can need: those closed by the time the
// oldest load under way began.
func (g *graves) prune(oldest uint64) {
	n := 0
	for n < len(g.buried) && g.buried[n].closed <= oldest {
		g.drop(g.buried[n])
		g.buried[n] = nil
		n++
	}
	g.buried = g.buried[n:]
	if len(g.buried) == 0 {
		g.buried = nil
	}
}

// compact forgets the graves of rows that were written over again since: a load
// that takes long would let them pile up. It costs little more than their number.
func (g *graves) compact() {
	if len(g.buried) < 64 || len(g.buried) < 2*(g.len()+len(g.rows)) {
		return
	}
	g.buried = slices.DeleteFunc(g.buried, func(v *grave) bool {
		return v.id.IsZero() && v.user == "" && v.hash == (persist.Hash{}) && g.rows[v.row] != v
	})
}

func (g *graves) drop(v *grave) {
	if g.ids[v.id] == v {
		delete(g.ids, v.id)
	}
	if g.rows[v.row] == v {
		delete(g.rows, v.row)
	}
	if g.hashes[v.hash] == v {
		delete(g.hashes, v.hash)
	}
	if v.user == "" {
		return
	}
	left := g.users[v.user][:0]
	for _, u := range g.users[v.user] {
		if u != v {
			left = append(left, u)
		}
	}
	g.wiped -= len(g.users[v.user]) - len(left)
	if len(left) == 0 {
		delete(g.users, v.user)
		return
	}
	g.users[v.user] = left
}

func (g *graves) hasID(id persist.ID) bool { return g.ids[id] != nil }

// refuseHash is the answer to a token that is known to be over, nil if it is not.
func (g *graves) refuseHash(h persist.Hash) error {
	v := g.hashes[h]
	switch {
	case v == nil:
		return nil
	case v.rotate != nil:
		return v.rotate
	default:
		return persist.ErrNotFound
	}
}

// amend gives a row whose token is being replaced, with an unknown outcome so
// far, the token that nobody has: the old one opens nothing.
func (g *graves) amend(r persist.Record) persist.Record {
	for v := g.hashes[r.Hash]; v != nil && v.closed == 0 && v.to != (persist.Hash{}); v = g.hashes[r.Hash] {
		r.Hash, r.Rotation = v.to, ended(v.hash, v.at)
	}
	return r
}

// judge holds a row read by a load that began after since burials against the
// graves: refuse what is over, read again what may be outdated, else keep.
func (g *graves) judge(since uint64, r persist.Record) verdict {
	if g.ids[r.ID] != nil {
		return refuse
	}
	for _, u := range g.users[r.UserID] {
		switch {
		case u.except == r.ID:
		case u.closed == 0:
			return refuse
		case u.closed > since:
			return again
		}
	}
	if v := g.rows[r.ID]; v != nil && v.closed > since {
		return again
	}
	if h := g.hashes[r.Hash]; h != nil {
		if h.closed == 0 {
			return refuse
		}
		if h.closed > since {
			return again
		}
	}
	return keep
}

// stuckUser reports whether a log-out of the whole user cannot be stored. A
// session created meanwhile would be caught by its retry.
func (g *graves) stuckUser(user string) bool {
	for _, u := range g.users[user] {
		if u.stuck && u.closed == 0 {
			return true
		}
	}
	return false
}

// endsUser reports whether a log-out of the whole user that is not on disk yet
// was asked for after seq, and so covers a session created then.
func (g *graves) endsUser(user string, id persist.ID, seq uint64) bool {
	for _, u := range g.users[user] {
		if u.closed == 0 && u.seq > seq && u.except != id {
			return true
		}
	}
	return false
}
