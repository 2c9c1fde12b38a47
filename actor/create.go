package actor

import (
	"context"
	"slices"

	"github.com/sessile/sessile/persist"
)

// createCommand makes a session.
type createCommand struct {
	call
	record   *persist.Record
	limit    persist.Limit
	replaces persist.ID // a session of the same user that it ends
	op       *createOp
}

// Create stores a new session, which takes the place of the session replaces if that is
// of the same user. It is on disk, and replaces is refused, when Create returns. Errors:
// ErrLimitReached, ErrConflict (its id or its token is another's), ErrOverloaded,
// ErrClosed, persist.ErrUnavailable; persist.ErrUnknown, if it may be on disk, now or later: then
// it is destroyed, and replaces may have ended.
func (a *Actor) Create(ctx context.Context, rec *persist.Record, l persist.Limit, replaces persist.ID) (*View, error) {
	x := fresh[createCommand](&a.pools.create)
	x.record, x.limit, x.replaces, x.grows = rec, l, replaces, true
	return a.view(ctx, a.growth, x)
}

// run queues the new session. It is on disk before anyone learns its token: else a crash
// could end a session that a client has been told of.
//
// A session of a user whose log-out cannot be stored is refused. The retry of that log-out
// deletes whatever the user has when it succeeds, and would end this session too.
func (x *createCommand) run(c *core) {
	u := x.record.UserID
	if len(c.tombstones.users) > 0 && u != "" && c.tombstones.stuckUser(u) {
		c.fail(&x.call, persist.ErrUnavailable)
		return
	}
	x.op = &createOp{record: x.record, limit: x.limit, replaces: x.replaces}
	x.op.bytes = int64(len(x.record.Data))
	x.op.add(&x.call)
	c.accept(x.op)
	if len(c.tombstones.users) > 0 {
		c.tombstones.creating(u, x.op.order, x.limit.Max > 0, 1)
	}
	c.replacing.begin(x.replaces)
}

func (x *createCommand) giveUp(c *core) (later bool, state error) {
	if x.op == nil {
		return false, nil
	}
	return false, c.takeBack(x.op)
}

// createOp is a session that is not on disk yet. Memory does not have it either: it is put
// there when its commit is acknowledged.
type createOp struct {
	pending
	record   *persist.Record
	limit    persist.Limit
	replaces persist.ID
}

func (p *createOp) encode() persist.Op {
	return persist.Op{Kind: persist.OpCreate, Record: p.record, Limit: p.limit, Replaces: p.replaces}
}

// prepare takes the user's changes along where the create may evict: the backend chooses the
// least recently active session, and must choose by the accesses that memory knows of.
func (p *createOp) prepare(c *core, b *batch) bool {
	if p.limit.Max > 0 {
		c.fillUser(b, p.record.UserID)
	}
	return true
}

// end gives back what the operation took while it was not on disk, and lets those go on who
// waited for its end.
func (p *createOp) end(c *core) {
	c.passed = true
	c.bytes -= p.bytes
	if len(c.tombstones.users) > 0 {
		c.tombstones.creating(p.record.UserID, p.order, p.limit.Max > 0, -1)
	}
	c.replacing.end(p.replaces, &c.destroys)
}

// settle takes the outcome. What the create has ended is over before anything else is said:
// whoever is told of the new session must find the old one gone.
func (p *createOp) settle(c *core, b *batch, o persist.Outcome) {
	p.end(c)
	for _, x := range o.Removed {
		if x.ID == p.replaces {
			c.replaced(x)
			continue
		}
		c.endedOnDisk(x, Event{Kind: EventEvicted, Reason: ReasonEvicted})
		c.stats.Evicted++
	}
	switch o.Status {
	case persist.StatusApplied:
		p.replacedBefore(c)
		p.created(c, b, o.Key)
	case persist.StatusFull:
		c.event(Event{Kind: EventLimitReached, UserID: p.record.UserID})
		c.failAll(&p.waiters, ErrLimitReached)
	case persist.StatusConflict:
		c.failAll(&p.waiters, ErrConflict)
	default:
		c.failAll(&p.waiters, unavailable(o.Err))
	}
}

// created answers with the new session. It may be unwanted by now:
//
//  1. Its caller has left while it was in flight, so nobody has its token.
//  2. A log-out of its whole user, accepted meanwhile, cannot be stored: see run.
//
// Then it is destroyed, like any other session.
func (p *createOp) created(c *core, b *batch, key int64) {
	rec := p.record
	switch {
	case p.n == 0: // nobody has its token
		c.destroyNow(nil, rec.ID, ReasonTokenLost)
		return
	case len(c.tombstones.users) > 0 && c.tombstones.stuckUser(rec.UserID):
		c.destroyNow(nil, rec.ID, ReasonTokenLost)
		c.failAll(&p.waiters, persist.ErrUnknown) // what it has replaced or evicted is over
		return
	}
	rec.Key = key
	v := viewOf(*rec)
	if c.tombstones.over(key) { // everybody was logged out meanwhile
		c.destroyNow(nil, rec.ID, c.tombstones.all.reason)
	} else if p.installable(c, b) {
		c.hot.Add(rec.ID, rec.UserID, rec.Hash, v, v.cost())
	}
	c.stats.Created++
	c.event(Event{Kind: EventCreated, ID: rec.ID, UserID: rec.UserID})
	c.answer(p.first, v)
}

// replaced forgets a session that a create has replaced.
func (c *core) replaced(x persist.Removed) {
	c.endedOnDisk(x, Event{Kind: EventDestroyed, Reason: ReasonReplaced})
	c.stats.Destroyed++
}

// replacedBefore forgets the session that a create replaces and did not find.
//
//  1. A login replaces it, with an unknown outcome; it is gone from the disk.
//  2. Memory goes on with it: a change of it waits for the disk.
//  3. The next login in its place is acknowledged.
func (p *createOp) replacedBefore(c *core) {
	if p.replaces.IsZero() {
		return
	}
	c.overwritten(p.replaces)
	if e := c.hot.ByID(p.replaces); e != nil && e.User() != "" && e.User() == p.record.UserID {
		c.replaced(persist.Removed{ID: e.ID(), Hash: e.Key(), UserID: e.User()})
	} else if w := c.watched.unread[p.replaces]; w != nil && w.user != "" && w.user == p.record.UserID {
		c.replaced(persist.Removed{ID: w.id, UserID: w.user})
	}
}

// installable reports whether the new session may be put into memory. The disk showed it to
// others before the loop heard of its commit:
//
//  1. The create is committed.
//  2. Somebody reads the session, by its ID or in a list, and ends it, or changes it on
//     another node.
//  3. The loop hears of the commit.
//
// So memory, a tombstone, or news of another node may know better.
func (p *createOp) installable(c *core, b *batch) bool {
	id := p.record.ID
	return !b.stale && c.tombstones.sessions[id] == nil && c.hot.ByID(id) == nil &&
		(len(c.tombstones.users) == 0 || !c.tombstones.endsUser(p.record.UserID, id, p.order))
}

// fail ends a creation whose batch has failed. It is not tried again: its caller has been
// told, and may log in anew. If it may have been done, its id is destroyed, and what it may
// have ended is asked for on disk. It may also be done later: see lateCreates.
func (p *createOp) fail(c *core, _ *batch, err error, unknown bool) bool {
	p.end(c)
	c.failAll(&p.waiters, err)
	if unknown {
		if p.limit.Max > 0 || !p.replaces.IsZero() {
			c.forgetUser(p.record.UserID)
		}
		c.destroyNow(nil, p.record.ID, ReasonTokenLost)
		if !c.exclusive {
			c.late.add(p.record, c.tick)
		}
	}
	return false
}

// forgetUser forgets what memory has of a user whose sessions a create of unknown
// outcome may have replaced or evicted: the next read asks the disk. What has been read
// already may be outdated, and what memory must keep is written, which tells.
func (c *core) forgetUser(user string) {
	c.loads.markStale()
	if user == "" { // guests are in no user's list
		c.begin(forEach(slices.Clone([]*watch(c.watched.byEnd)), func(c *core, w *watch) {
			if w.entry != nil {
				c.writeWatched(w.entry, user)
			}
		}))
		c.hot.Clear()
		return
	}
	for e := range c.hot.ByUser(user) {
		if !e.Pinned() {
			c.hot.Remove(e)
			continue
		}
		c.writeWatched(e, user)
	}
}

// writeWatched marks a watched session of the user for the disk. It is pinned and nobody
// reads it again, so its own write is the only question that the disk is asked: a row that is
// gone answers it with persist.StatusGone, and the watch ends.
func (c *core) writeWatched(e *entry, user string) {
	id := persist.ID(e.ID())
	if c.watched.byID[id] != nil && e.User() == user && c.dirty[id] == nil {
		c.change(e, e.Value(), false)
	}
}

// replacing knows which sessions creates that are not settled replace, and who waits for
// that: whoever ends all sessions of a user but such a one.
//
//  1. A browser logs in again.
//  2. It asks, by its old session, to end all others.
//  3. The login is committed.
//  4. The end of all but the old one is committed: it ends the new one too.
//
// So the second call waits for the first.
type replacing map[persist.ID]*replacement

// replacement is what is known of one session that creates replace: how many are not settled,
// and who waits for them.
type replacement struct {
	waiters
	creates int
}

// begin notes a create that replaces a session, if it does.
func (m replacing) begin(id persist.ID) {
	if id.IsZero() {
		return
	}
	if m[id] == nil {
		m[id] = new(replacement)
	}
	m[id].creates++
}

// end has those who wait for the last one go on in the queue.
func (m replacing) end(id persist.ID, queue *waiters) {
	r := m[id]
	if r == nil {
		return
	}
	if r.creates--; r.creates == 0 {
		r.moveTo(queue)
		delete(m, id)
	}
}
