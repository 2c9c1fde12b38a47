package actor

import (
	"errors"

	"github.com/sessile/sessile/persist"
)

// load is one cold read for everybody who asks for the same. The disk is read on the
// goroutine of a caller: the loop answers the first call with the load, the caller reads
// and comes back with a loaded, and all calls that came meanwhile go on with it. A caller
// who gives up is followed by the next.
type load struct {
	kind          loadKind
	token         persist.TokenKey // byToken
	id            persist.ID       // byID
	user          persist.UserKey  // byUser
	commitsBefore uint64           // commits of tombstones before it began: it sees what those deleted
	leader        *call            // who reads
	waiters       waiters
	stale         bool  // another node changed something meanwhile: answer from it, install nothing
	prev          *load // in progress, in the order in which they began
	next          *load
}

type loadKind uint8

const (
	byToken loadKind = iota + 1
	byID
	byUser // is not shared
)

// loads are those in progress.
type loads struct {
	byToken     map[persist.Hash]*load
	byID        map[persist.ID]*load
	first, last *load // the oldest and the newest
	n           int
}

func newLoads() loads {
	return loads{byToken: make(map[persist.Hash]*load), byID: make(map[persist.ID]*load)}
}

// same is the load in progress that reads what l is to read, nil if there is none.
func (a *loads) same(l *load) *load {
	switch l.kind {
	case byToken:
		return a.byToken[l.token.Hash]
	case byID:
		return a.byID[l.id]
	default:
		return nil
	}
}

func (a *loads) add(l *load) {
	switch l.kind {
	case byToken:
		a.byToken[l.token.Hash] = l
	case byID:
		a.byID[l.id] = l
	}
	if l.prev = a.last; l.prev == nil {
		a.first = l
	} else {
		l.prev.next = l
	}
	a.last = l
	a.n++
}

func (a *loads) remove(l *load) {
	switch l.kind {
	case byToken:
		delete(a.byToken, l.token.Hash)
	case byID:
		delete(a.byID, l.id)
	}
	if l.prev == nil {
		a.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		a.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	a.n--
}

// markStale notes that what is being read may be outdated by the change of another node.
func (a *loads) markStale() {
	for l := a.first; l != nil; l = l.next {
		l.stale = true
	}
}

func (c *core) loadByID(x *call, id persist.ID) { c.startLoad(x, &load{kind: byID, id: id}) }

// startLoad has x wait for l, or for the same load if one is in progress.
func (c *core) startLoad(x *call, l *load) {
	if same := c.loads.same(l); same != nil {
		same.waiters.add(x)
		return
	}
	if c.closing {
		c.fail(x, ErrClosed)
		return
	}
	if c.busy() && !x.endsSessions {
		c.enqueue(&c.reads, x, c.cfg.MaxLoads)
		return
	}
	l.commitsBefore, l.leader, x.load = c.tombstones.commits, x, l
	c.loads.add(l)
	c.stats.ColdReads++
	c.out.replies = append(c.out.replies, reply{x, l})
}

// endLoad takes l out of those in progress, and its leader with it.
func (c *core) endLoad(l *load) {
	c.loads.remove(l)
	l.leader.load = nil
	c.pruneTombstones()
}

// pruneTombstones forgets what no load in progress can need.
func (c *core) pruneTombstones() {
	oldest := c.tombstones.commits
	if c.loads.first != nil {
		oldest = c.loads.first.commitsBefore
	}
	c.tombstones.prune(oldest)
}

// abandonLoad ends the load of a caller who is gone. The next in the queue reads.
func (c *core) abandonLoad(x *call) {
	l := x.load
	if l == nil {
		return
	}
	c.endLoad(l)
	for w := l.waiters.take(); w != nil; w = l.waiters.take() {
		w.self.run(c)
	}
}

// loaded is what a caller read from the disk for a load.
type loaded struct {
	load    *load
	record  persist.Record
	listing persist.Listing
	err     error
	own     bool // err is the caller's own context, not the disk's
}

// handle has everyone who waited go on with what the disk said. It does not call endLoad,
// which prunes tombstones: they are needed until the row has been decided on for every waiter.
func (m *loaded) handle(c *core) {
	l, x := m.load, m.load.leader
	c.loads.remove(l)
	x.load = nil
	switch {
	case c.closing:
		c.fail(x, ErrClosed)
	case l.kind == byUser:
		x.self.(*listCommand).listed(c, m) //nolint:forcetypeassert,errcheck // nothing else lists
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

// loadFailed answers with the disk's error. A caller who gave up says nothing about
// the disk: the next in the queue reads again. And while rotations settle, memory may
// know a token that the disk has forgotten already.
func (c *core) loadFailed(l *load, m *loaded) {
	gone := errors.Is(m.err, persist.ErrNotFound)
	known := gone && c.trusted() && (l.kind == byToken && c.hot.ByKey(l.token.Hash) != nil || l.kind == byID && c.hot.ByID(l.id) != nil)
	if gone && !known && l.kind == byToken {
		c.stats.UnknownTokens++
	}
	if gone && !known && l.kind == byID && c.watched.byID[l.id] != nil {
		c.over(persist.Removed{ID: l.id}, Event{Kind: Destroyed, Reason: "it is not in the store any more"})
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

// decide holds a record against what happened since its load began. It is done anew for
// each call that waited: the one before may have ended the session.
func (c *core) decide(l *load, r persist.Record) decision {
	if e := c.hot.ByID(r.ID); e != nil && (c.trusted() || e.Pinned()) {
		return useMemory
	}
	if d := c.tombstones.decide(l.commitsBefore, r); d != install {
		return d
	}
	if l.stale {
		return answerOnly
	}
	return install
}

// serve has x go on with a record, by way of memory if it may be installed.
func (c *core) serve(l *load, x *call, r persist.Record) {
	d := c.decide(l, r)
	e := c.hot.ByID(r.ID)
	if e != nil && !c.trusted() && !e.Pinned() && (d == install || d == answerOnly) {
		c.hot.Remove(e) // outdated for all we know
		e = nil
	}
	switch {
	case d == refuse:
		c.fail(x, persist.ErrNotFound)
	case d == readAgain:
		x.self.run(c)
	case e != nil:
		x.self.(sessionCommand).with(c, e) //nolint:forcetypeassert,errcheck // no other command loads a session
	default:
		v, moved := c.cfg.read(r, c.now)
		if d == answerOnly {
			c.serveView(x, v, r.Hash)
			return
		}
		e = c.install(r, v, moved)
		x.self.(sessionCommand).with(c, e) //nolint:forcetypeassert,errcheck // no other command loads a session
	}
}

// serveView answers x from a record that is not installed. Only reads can be.
func (c *core) serveView(x *call, v *View, hash persist.Hash) {
	switch self := x.self.(type) {
	case *readCommand:
		self.from(c, v, hash)
	case *readIDCommand:
		c.answer(x, v)
	default:
		x.self.run(c)
	}
}

// install puts a record into memory as it counts. If that is not as it is stored, it is
// written.
func (c *core) install(r persist.Record, v *View, moved bool) *entry {
	e := c.hot.Add(r.ID, r.UserID, r.Hash, v, v.cost())
	if v.graced(c.now) {
		c.hot.Alias(e, v.Previous)
	}
	if moved {
		c.change(e, v, false).retime = true
	}
	if w := c.watched.byID[r.ID]; w != nil && w.entry == nil {
		c.watchEntry(w, e)
	}
	return e
}
