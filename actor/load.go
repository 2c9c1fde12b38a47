package actor

import (
	"container/list"
	"errors"

	"github.com/sessile/sessile/persist"
)

// load is one cold read for everybody who asks for the same. A caller reads the disk, so that
// a disk that stalls does not stall the loop. If the caller's context can end, the read has a
// goroutine of its own, and may outlive the caller (see bounded).
//
//  1. The loop answers the first call, the leader, with the load.
//  2. The leader reads and comes back with a loaded. Calls that ask for the same meanwhile
//     wait for the load.
//  3. The loop decides whether the row is current, and all of them go on with it.
//
// A leader who gives up is followed by the next.
type load struct {
	kind          loadKind
	token         persist.TokenKey // byToken
	id            persist.ID       // byID
	user          persist.UserKey  // byUser
	query         *persist.Query   // byPage
	commitsBefore uint64           // commits of tombstones before it began: it sees what those deleted
	leader        *call            // who reads
	waiters       waiters
	stale         bool          // anything may have changed elsewhere meanwhile: answer from it, install nothing
	heardBefore   uint64        // number of the last change elsewhere before it began
	through       bool          // its caller must not be answered from memory, nor by a read that began before
	began         int64         // tick
	elem          *list.Element // of loads.order
}

type loadKind uint8

const (
	byToken loadKind = iota + 1
	byID
	byUser
	byPage
)

// lists reports whether a load reads many rows. Such a load is not shared: two lists of one
// user may differ in what they must not miss.
func (k loadKind) lists() bool { return k >= byUser }

// loads are those in progress. Their number is bounded by Config.MaxLoads, but for calls that
// end sessions.
type loads struct {
	shared map[loadKey]*load
	order  list.List // of *load: the oldest first, which says how long tombstones are kept
	news   news
}

// loadKey is what equal loads have in common. Of kinds that share nothing it is unused.
type loadKey struct {
	token persist.Hash
	id    persist.ID
}

func (l *load) key() loadKey { return loadKey{l.token.Hash, l.id} }

// started is the load of an element of loads.order.
func started(e *list.Element) *load {
	return e.Value.(*load) //nolint:forcetypeassert,errcheck // it holds nothing else
}

// remove takes l out of those in progress. Its leader reads no more.
func (a *loads) remove(l *load) {
	if a.shared[l.key()] == l {
		delete(a.shared, l.key())
	}
	a.order.Remove(l.elem)
	l.leader.load = nil
}

// markStale notes that what is being read may be outdated by the change of another node.
func (a *loads) markStale() {
	for e := a.order.Front(); e != nil; e = e.Next() {
		started(e).stale = true
	}
}

// joinable returns a load in progress that serves x as well as l would, nil if there is none.
// Where others write too, what one reads that began a lease ago may be older than x may see.
func (c *core) joinable(l *load) *load {
	same := c.loads.shared[l.key()]
	if same == nil || l.through || !c.exclusive && c.tick-same.began >= c.cfg.Lease.Microseconds() {
		return nil
	}
	return same
}

// startLoad has x wait for l, or for the same load if one is in progress. What ends sessions
// is not held up by reads at their bound: it must be able to refuse its session.
func (c *core) startLoad(x *call, l *load) {
	if same := c.joinable(l); same != nil {
		same.waiters.add(x)
		return
	}
	if c.closing {
		c.fail(x, ErrClosed)
		return
	}
	if c.busy() && !x.endsSessions && !x.done {
		c.enqueue(&c.reads, x, c.cfg.MaxLoads)
		return
	}
	l.commitsBefore, l.heardBefore, l.began = c.tombstones.commitSeq, c.loads.news.heard, c.tick
	l.leader, x.load = x, l
	if !l.kind.lists() && !l.through {
		c.loads.shared[l.key()] = l
	}
	l.elem = c.loads.order.PushBack(l)
	c.stats.ColdReads++
	c.out.replies = append(c.out.replies, reply{x, l})
}

// abandonLoad ends the load of a leader who is gone. Those who waited run anew: the first of
// them becomes the leader of a new load, which the others join.
func (c *core) abandonLoad(x *call) {
	l := x.load
	if l == nil {
		return
	}
	c.loads.remove(l)
	c.pruneTombstones()
	for w := l.waiters.take(); w != nil; w = l.waiters.take() {
		w.self.run(c)
	}
}

// loaded is what a caller read from the disk for a load. The shell fills it in, and looks at
// it no more.
type loaded struct {
	load    *load
	record  persist.Record
	listing persist.Listing
	next    int64 // byPage: the Before of the next page
	err     error
	own     bool // err is the caller's own context, not the disk's
}

// handle has everyone who waited go on with what the disk said. Tombstones are pruned last:
// they are needed until the row has been decided on for every waiter.
func (m *loaded) handle(c *core) {
	l, x := m.load, m.load.leader
	c.loads.remove(l)
	switch {
	case c.closing:
		c.fail(x, ErrClosed)
	case l.kind.lists():
		x.self.(lister).listed(c, m) //nolint:forcetypeassert,errcheck // nothing else lists
	case m.err != nil:
		c.loadFailed(l, m)
	default:
		m.record = c.tombstones.redirect(m.record)
		c.serve(l, x, m.record)
		for w := l.waiters.take(); w != nil; w = l.waiters.take() {
			c.serve(l, w, m.record)
		}
	}
	if len(c.tombstones.committed) > 0 {
		c.pruneTombstones()
	}
}

// loadFailed answers with the disk's error, but for two cases in which that is not the
// answer:
//
//   - The leader's own time was up. That says nothing about the disk: the next one reads
//     again.
//   - The row is not there, and memory has it: while rotations settle, memory may know a
//     token that the disk has forgotten already. Then everyone runs anew, and finds it.
//
// A watched session that is not in the store any more has ended elsewhere.
func (c *core) loadFailed(l *load, m *loaded) {
	gone := errors.Is(m.err, persist.ErrNotFound)
	e := c.asked(l)
	known := gone && e != nil && c.trusted() && c.usable(e) && !l.through
	if gone && !known {
		c.notStored(l, e)
	}
	if known {
		l.leader.self.run(c)
	} else {
		c.fail(l.leader, m.err)
	}
	for w := l.waiters.take(); w != nil; w = l.waiters.take() {
		if known || m.own {
			w.self.run(c)
		} else {
			c.fail(w, m.err)
		}
	}
}

// notStored notes that the row is not there which a load has asked for. e is the session in
// memory, nil if there is none.
func (c *core) notStored(l *load, e *entry) {
	if l.kind == byToken {
		c.stats.UnknownTokens++
	}
	shared := e != nil && !c.exclusive // another node has ended it
	switch {
	case l.kind == byID && (shared || c.watched.byID[l.id] != nil):
		c.endedOnDisk(persist.Removed{ID: l.id}, Event{Kind: EventDestroyed, Reason: ReasonElsewhere})
	case shared: // or it has another token
		c.yield(e)
	}
}

// asked is the session in memory that a load asks for, nil if there is none.
func (c *core) asked(l *load) *entry {
	switch l.kind {
	case byToken:
		return c.hot.ByKey(l.token.Hash)
	case byID:
		return c.hot.ByID(l.id)
	default:
		return nil
	}
}

// decide holds a record against what happened since its load began. It is done anew for each
// call that waited: the command of the one before may have ended the session.
func (c *core) decide(l *load, r persist.Record) decision {
	if e := c.hot.ByID(r.ID); e != nil && c.usable(e) && !l.through && (c.exclusive || agrees(e, r)) {
		return useMemory
	}
	if d := c.tombstones.decide(l.commitsBefore, r); d != install {
		return d
	}
	if len(c.late.byID) > 0 && c.late.seen(r.ID, c.tick) {
		return refuse
	}
	if l.stale || c.loads.news.heard > l.heardBefore && c.loads.outdated(l, r) {
		return answerOnly
	}
	return install
}

// serve has x go on with a record, by way of memory if it may be installed. Of one that is
// not installed only a read can: a change needs an entry, and reads it again.
func (c *core) serve(l *load, x *call, r persist.Record) {
	switch d := c.decide(l, r); d {
	case refuse:
		c.fail(x, persist.ErrNotFound)
	case readAgain:
		x.self.run(c)
	case useMemory:
		x.self.(sessionCommand).with(c, c.remembered(r)) //nolint:forcetypeassert,errcheck // no other command loads a session
	case install:
		x.self.(sessionCommand).with(c, c.installed(r)) //nolint:forcetypeassert,errcheck // the same
	case answerOnly:
		v, _ := c.readRow(r)
		if self, reads := x.self.(viewer); reads {
			self.from(c, v, r.Hash)
			return
		}
		c.readOnceMore(x)
	}
}

// installed puts a record into memory. What memory has of the session yields to it: it is not
// trusted, or it would have been used.
func (c *core) installed(r persist.Record) *entry {
	v, moved := c.readRow(r)
	if e := c.hot.ByID(r.ID); e != nil {
		return c.replace(e, r, v, moved)
	}
	return c.install(r, v, moved)
}

// viewer is a command that can do with a view which is not in memory: a read.
type viewer interface {
	from(c *core, v *View, hash persist.Hash)
}

// lister is a command that reads many rows.
type lister interface{ listed(c *core, m *loaded) }

// install puts a record into memory as it counts. If that is not as it is stored, because
// times of it were taken back, it is written. A watch that lost its entry gets the new one.
func (c *core) install(r persist.Record, v *View, moved bool) *entry {
	e := c.hot.Add(r.ID, r.UserID, r.Hash, v, v.cost())
	if v.graced(c.now) {
		c.hot.Alias(e, v.Previous)
	}
	if moved && c.exclusive {
		c.change(e, v, false).retime = true
	}
	if !c.exclusive && c.dirty[r.ID] != nil {
		c.dirty[r.ID].attach(c, e)
	}
	if w := c.watched.byID[r.ID]; w != nil && w.entry == nil {
		c.watchEntry(w, e)
	}
	return e
}
