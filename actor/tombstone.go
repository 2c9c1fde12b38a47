package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// tombstones remember what is over and must not come back. The disk is read by
// callers, so there is a race:
//
//  1. A load reads a row.
//  2. The session is destroyed, and the deletion is committed.
//  3. The load ends with the row.
//
// A tombstone is open until the disk has it too, then committed. It is kept after that for as long as
// a load that began before its commit is in progress. So every row that comes from the
// disk is held against the tombstones that its load may have missed; see decide.
type tombstones struct {
	sessions  map[persist.ID]*sessionTombstone // destroyed sessions
	tokens    map[persist.Hash]*tokenTombstone // tokens that open nothing
	users     map[string][]*userTombstone      // users who were logged out everywhere
	versions  map[persist.ID]*versionTombstone // sessions whose row was written over
	committed []tombstone                      // in order of their commits
	commits   uint64                           // so far; part of the epoch
	logouts   int                              // in users
}

// tombstone is any of them.
type tombstone interface {
	number() *uint64
	forget(t *tombstones)
}

// commitNumber is the number of a tombstone's commit, 0 while the disk does not have it.
type commitNumber struct{ commit uint64 }

func (n *commitNumber) number() *uint64 { return &n.commit }

type sessionTombstone struct {
	commitNumber
	id    persist.ID
	token *tokenTombstone // of its token, if that is known
	owner string          // if known
	op    *destroyOp      // that brings it to the disk; nil if the disk had it first
	told  bool            // an event has told of its end
}

type tokenTombstone struct {
	commitNumber
	hash     persist.Hash
	replaced *RotatedError // by another; nil if its session is over
	to       persist.Hash  // what replaces it, if the disk may have it or not
	at       int64         // and when that was tried
}

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

// versionTombstone ends what a row was before it was written over.
type versionTombstone struct {
	commitNumber
	id persist.ID
}

func newTombstones() tombstones {
	return tombstones{
		sessions: make(map[persist.ID]*sessionTombstone),
		tokens:   make(map[persist.Hash]*tokenTombstone),
		users:    make(map[string][]*userTombstone),
		versions: make(map[persist.ID]*versionTombstone),
	}
}

// len counts them, without those of versions, whose sessions live.
func (t *tombstones) len() int { return len(t.sessions) + len(t.tokens) + t.logouts }

// addSession opens the tombstone of a session, and of its token unless that is zero.
func (t *tombstones) addSession(id persist.ID, token persist.Hash, owner string) *sessionTombstone {
	s := &sessionTombstone{id: id, owner: owner}
	if token != (persist.Hash{}) {
		s.token = t.addToken(&tokenTombstone{hash: token})
	}
	t.sessions[id] = s
	return s
}

func (t *tombstones) addToken(k *tokenTombstone) *tokenTombstone {
	t.tokens[k.hash] = k
	return k
}

func (t *tombstones) addUser(u *userTombstone) *userTombstone {
	t.users[u.user] = append(t.users[u.user], u)
	t.logouts++
	return u
}

// addVersion notes that older versions of a session's row are over.
func (t *tombstones) addVersion(id persist.ID) {
	v := &versionTombstone{id: id}
	t.versions[id] = v
	t.commitOne(v)
	t.compact()
}

// commitOne notes that the disk has it too.
func (t *tombstones) commitOne(x tombstone) {
	n := x.number()
	if *n != 0 {
		return
	}
	t.commits++
	*n = t.commits
	t.committed = append(t.committed, x)
}

func (t *tombstones) commitSession(s *sessionTombstone) {
	t.commitOne(s)
	if s.token != nil && s.token.commit == 0 {
		s.token.commit = s.commit // it is forgotten with its session
	}
}

// prune forgets the tombstones that no load can need: those committed by the time the
// oldest load in progress began.
func (t *tombstones) prune(oldest uint64) {
	n := 0
	for n < len(t.committed) && *t.committed[n].number() <= oldest {
		t.committed[n].forget(t)
		t.committed[n] = nil
		n++
	}
	if t.committed = t.committed[n:]; len(t.committed) == 0 {
		t.committed = nil
	}
}

// compact forgets the tombstones of versions that were written over again since: a load
// that takes long would let them pile up. It costs little more than their number.
func (t *tombstones) compact() {
	if len(t.committed) < 64 || len(t.committed) < 2*(t.len()+len(t.versions)) {
		return
	}
	t.committed = slices.DeleteFunc(t.committed, func(x tombstone) bool {
		v, ok := x.(*versionTombstone)
		return ok && t.versions[v.id] != v
	})
}

func (s *sessionTombstone) forget(t *tombstones) {
	if t.sessions[s.id] == s {
		delete(t.sessions, s.id)
	}
	if s.token != nil {
		s.token.forget(t)
	}
}

func (k *tokenTombstone) forget(t *tombstones) {
	if t.tokens[k.hash] == k {
		delete(t.tokens, k.hash)
	}
}

func (v *versionTombstone) forget(t *tombstones) {
	if t.versions[v.id] == v {
		delete(t.versions, v.id)
	}
}

func (u *userTombstone) forget(t *tombstones) {
	left := slices.DeleteFunc(t.users[u.user], func(x *userTombstone) bool { return x == u })
	t.logouts -= len(t.users[u.user]) - len(left)
	t.users[u.user] = left
	if len(left) == 0 {
		delete(t.users, u.user)
	}
}
