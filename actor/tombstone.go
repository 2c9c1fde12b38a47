package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// tombstones remember what is over and must not come back. The disk is read by callers, so
// there is a race:
//
//  1. A load reads a row.
//  2. The session is destroyed, and the deletion is committed.
//  3. The load ends with the row.
//
// A tombstone is open until the disk has it too, then committed. It is kept after that for as
// long as a load that began before its commit is in progress. So every row from the disk is
// held against the tombstones that its load may have missed; see decide.
//
// Commits are numbered, and a load notes the last number before it begins. So it is one
// comparison to say what a load has seen, and committed is sorted by itself.
type tombstones struct {
	sessions  map[persist.ID]*sessionTombstone // destroyed sessions
	tokens    map[persist.Hash]*tokenTombstone // tokens that open nothing
	users     map[string][]*userTombstone      // users who were logged out everywhere
	versions  map[persist.ID]*versionTombstone // sessions whose row was written over
	all       *allTombstone                    // everybody was logged out; nil if that was long ago
	committed []tombstone                      // in order of their commits
	commitSeq uint64                           // number of the last commit; part of the epoch
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

// sessionTombstone refuses a session that was destroyed, and its token, which may be asked
// for alone.
type sessionTombstone struct {
	commitNumber
	id    persist.ID
	token *tokenTombstone // of its token, if that is known
	owner string          // if known
	op    operation       // that brings it to the disk; nil if the disk had it first
	told  bool            // an event has told of its end
}

// tokenTombstone refuses a token. While its rotation is of unknown outcome it also says which
// token takes its place: a row that still has the old one is redirected to it.
type tokenTombstone struct {
	commitNumber
	hash     persist.Hash
	replaced *RotatedError // by another; nil if its session is over
	to       persist.Hash  // what replaces it, if the disk may have it or not
	at       int64         // and when that was tried
}

// versionTombstone ends what a row was before it was written over. It refuses nobody: a row
// that may be older is read again.
//
//  1. A load reads a row.
//  2. A change of the session is acknowledged, and memory evicts it.
//  3. The load ends with the old version.
//
// A destroy is not the only way for a row to be outdated.
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
func (t *tombstones) len() int {
	n := len(t.sessions) + len(t.tokens) + t.logouts
	if t.all != nil {
		n++
	}
	return n
}

// addSession opens the tombstone of a session, and of its token unless that is zero.
func (t *tombstones) addSession(id persist.ID, token persist.Hash, owner string) *sessionTombstone {
	s := &sessionTombstone{id: id, owner: owner}
	if token != (persist.Hash{}) {
		s.token = t.addToken(&tokenTombstone{hash: token})
	}
	t.sessions[id] = s
	return s
}

// addToken opens the tombstone of a token. It takes the place of an earlier one, which then
// forgets nothing when it is pruned.
func (t *tombstones) addToken(k *tokenTombstone) *tokenTombstone {
	t.tokens[k.hash] = k
	return k
}

// addVersion notes that older versions of a session's row are over. The disk has the new one,
// so it is committed at once.
func (t *tombstones) addVersion(id persist.ID) {
	v := &versionTombstone{id: id}
	t.versions[id] = v
	t.commitOne(v)
	t.compact()
}

// commitOne notes that the disk has it too. A second commit, of a retry, changes nothing.
func (t *tombstones) commitOne(x tombstone) {
	n := x.number()
	if *n != 0 {
		return
	}
	t.commitSeq++
	*n = t.commitSeq
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

// compact forgets the tombstones of versions that were written over again since: a load that
// takes long would let them pile up, one for each commit. It waits until they are half of
// all, so that its cost per commit stays constant.
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

// overwritten keeps loads that began before from bringing an older version of a
// row back, should the session be evicted before they end.
func (c *core) overwritten(id persist.ID) {
	if c.loads.order.Len() > 0 {
		c.tombstones.addVersion(id)
	}
}

// pruneTombstones forgets what no load in progress can need: without any, all that is
// committed.
func (c *core) pruneTombstones() {
	oldest := c.tombstones.commitSeq
	if e := c.loads.order.Front(); e != nil {
		oldest = started(e).commitsBefore
	}
	c.tombstones.prune(oldest)
}

// over reports whether a log-out of everybody means the session with this key.
func (t *tombstones) over(key int64) bool { return t.all != nil && key <= t.all.through }

// decide holds a row against the tombstones. Its load began after since commits, and so saw
// what those did to the disk. An open tombstone refuses whatever the load saw. One that was
// committed later may have been missed: the row is read again, and then shows it. A session's
// refuses even then, because an ID is never used twice.
func (t *tombstones) decide(since uint64, r persist.Record) decision {
	if t.sessions[r.ID] != nil || t.over(r.Key) {
		return refuse
	}
	for _, u := range t.users[r.UserID] {
		if d := u.decide(since, r); d != install {
			return d
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

// redirect gives a row whose token is being replaced, with an unknown outcome so far, the
// token that nobody has: the old one opens nothing. Several rotations may be so, one upon the
// other.
func (t *tombstones) redirect(r persist.Record) persist.Record {
	for k := t.tokens[r.Hash]; k != nil && k.commit == 0 && k.to != (persist.Hash{}); k = t.tokens[r.Hash] {
		r.Hash, r.Rotation = k.to, lockedOut(k.hash, k.at)
	}
	return r
}

// decision is what may be done with a row from the disk.
type decision uint8

const (
	install    decision = iota + 1 // it is current: put it into memory
	answerOnly                     // it may answer those who asked, and is not put into memory
	useMemory                      // memory has the session, and is newer
	readAgain                      // it may be outdated
	refuse                         // its session is over
)
