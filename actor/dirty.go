package actor

import "github.com/sessile/sessile/persist"

// dirty is a session with changes that are not on disk. It is a mark, not a copy: what is
// written is always the entry's current view. So later changes replace earlier ones, and a
// failed batch can never bring back something older. The entry is pinned meanwhile: eviction
// loses nothing.
//
// It may be in the queue, in flight, or both, if it changed again while it was being written.
// It is in the map from the first change until neither is so.
type dirty struct {
	spot
	entry  *entry
	base   persist.Version // what the disk has
	data   bool            // the data changed, not only the times
	retime bool            // the times are taken back
	touch  *View           // its times are those of the last touch in the queue; nil if there is none, or nobody else writes
	first  uint64          // number of the oldest change in the queue
	since  int64           // and its tick
	bytes  int64
	tries  int
	asked  bool    // it is among those that somebody waits for
	wait   waiters // durable changes of what is queued
	flight flight
}

// flight is the part of a dirty session that is in flight: what the batch took, and who waits
// for just that. A durable change that comes later waits for the next batch.
type flight struct {
	on     bool
	data   bool
	retime bool
	touch  *View
	next   persist.Version
	first  uint64
	since  int64
	wait   waiters
	view   *View // what was written
}

// change gives e a new version and marks it for the disk. data says that more than its times
// changed: then the whole row is written, else two numbers of it. The number and tick of the
// oldest change stay, so a session that changes all the time leaves in its turn.
func (c *core) change(e *entry, v *View, data bool) *dirty {
	d := c.dirty[v.ID]
	if d == nil {
		d = &dirty{entry: e, base: e.Value().Version, spot: spot{place: placeOf(v.Key)}}
		c.dirty[v.ID] = d
		c.hot.Pin(e)
	}
	c.put(e, v)
	if len(c.watched.byEnd) > 0 {
		c.watched.changed(v)
	}
	d.data = d.data || data
	if !data && !c.exclusive {
		d.touch = v
	}
	c.account(d)
	if d.elem == nil {
		c.seq++
		d.first, d.since = c.seq, c.tick
		c.queue.push(d)
	}
	return d
}

// account keeps the sum of the data that waits for the disk. It counts a session's current
// data once, whether in the queue, in flight or both: only one version of it is in memory.
func (c *core) account(d *dirty) {
	n := int64(0)
	if d.data || d.flight.data {
		n = int64(d.entry.Value().Doc.Len())
	}
	c.bytes += n - d.bytes
	d.bytes = n
}

// acknowledge answers a change: at once, or when it is on disk.
func (c *core) acknowledge(x *call, d *dirty, v *View, durable bool) {
	if !durable && c.exclusive {
		c.answer(x, v)
		return
	}
	d.wait.add(x)
	c.ask(d)
}

// ask has a dirty session leave with the next batch. It stands in the list once, however many
// wait for it.
func (c *core) ask(d *dirty) {
	if !d.asked {
		d.asked = true
		c.durable = append(c.durable, d)
	}
}

// mint names the next version. A write names the version that it builds on, and the backend
// refuses it if the row has another. Where others write too, two nodes may count on from the
// same version, so a large random step keeps their names apart.
func (c *core) mint(v persist.Version) persist.Version {
	if c.exclusive {
		return v + 1
	}
	return v + 1 + persist.Version(c.rng.Uint64N(1<<40))
}

// markClean forgets d: everything is on disk, or there is nothing left to write. The entry may be
// evicted from now on.
func (c *core) markClean(d *dirty) {
	c.passed = true
	c.queue.take(d)
	c.bytes -= d.bytes
	d.bytes = 0
	delete(c.dirty, d.entry.ID())
	c.hot.Unpin(d.entry)
}

// settle takes the outcome of a write or touch. A session that ended meanwhile is not there
// any more, and a new one under the same ID is another dirty: neither is touched by the
// outcome.
func (d *dirty) settle(c *core, o persist.Outcome) {
	if c.dirty[d.entry.ID()] != d || !d.flight.on {
		d.settleWithout(c, o)
		return
	}
	switch o.Status {
	case persist.StatusApplied:
		d.tries = 0
		if d.flight.data {
			d.base = d.flight.next
		}
		d.acked(c)
	case persist.StatusConflict:
		d.conflicted(c, o.Version)
	case persist.StatusGone:
		d.gone(c)
	default:
		d.failed(c, o.Err)
	}
}

// gone forgets a session whose row is gone. A log-out tells of its own sessions:
//
//  1. A piece of the log-out deletes the row. Memory is yet to be cleared of the session.
//  2. A change of the session is written, and finds no row.
//  3. The log-out tells of everything that the piece has deleted.
func (d *dirty) gone(c *core) {
	switch e := d.entry; {
	case !e.Resident(): // a kept touch: see keepTouch
		c.overwritten(e.ID())
		c.markClean(d)
	case e.Detached():
		c.dropSession(e, persist.ErrNotFound)
	default:
		c.endedOnDisk(persist.Removed{ID: e.ID(), Hash: e.Key(), UserID: e.User()}, Event{Kind: EventDestroyed, Reason: ReasonElsewhere})
	}
}

// settleWithout takes the outcome for a session that has left memory meanwhile: it has ended,
// and nobody waits, or it has yielded to a change of another node. What memory has read since
// then may be from before this commit.
func (d *dirty) settleWithout(c *core, o persist.Outcome) {
	switch o.Status {
	case persist.StatusApplied:
		if d.flight.data {
			c.outdated(persist.ID(d.entry.ID()))
		}
		c.answerAll(&d.flight.wait, d.flight.view)
	case persist.StatusConflict:
		c.lost(&d.flight.wait)
	case persist.StatusGone:
		c.failAll(&d.flight.wait, persist.ErrNotFound)
	default:
		c.failAll(&d.flight.wait, unavailable(o.Err))
	}
	d.flight = flight{}
}

// acked answers those who waited for what is now on disk. If the session has changed again
// since, it is still in the queue and stays dirty.
func (d *dirty) acked(c *core) {
	c.overwritten(d.entry.ID())
	c.answerAll(&d.flight.wait, d.entry.Value())
	d.flight = flight{}
	if d.elem == nil {
		c.markClean(d)
		return
	}
	c.account(d)
}

// conflicted handles a write whose base was not what the disk has.
//
// Alone, that is a version of our own:
//
//  1. A batch with version 2 is done, and reported as of unknown outcome.
//  2. The retry writes version 3 and names 1 as its base.
//  3. The disk has 2.
//
// So version 3 is written again on top of it. Where others write too, no write of unknown
// outcome is retried (see giveUp): so the version is theirs. It wins, and callers apply their
// changes to it.
func (d *dirty) conflicted(c *core, stored persist.Version) {
	c.stats.Conflicts++
	if !c.exclusive {
		var lost waiters
		d.flight.wait.moveTo(&lost)
		c.overwritten(persist.ID(d.entry.ID()))
		c.yield(d.entry)
		c.lost(&lost)
		return
	}
	d.base = stored
	d.requeue(c)
}

// fill takes one dirty session out of the queue into the batch. Waiters move along with what
// they wait for.
func (c *core) fill(b *batch, d *dirty) {
	c.queue.take(d)
	v := d.entry.Value()
	if v == nil {
		v = d.touch // see keepTouch
	}
	d.flight = flight{on: true, data: d.data, retime: d.retime, touch: d.touch, next: v.Version, first: d.first, since: d.since, view: v}
	d.wait.moveTo(&d.flight.wait)
	var retime *persist.Retime
	if d.retime {
		retime = v.retime()
	}
	d.data, d.retime, d.touch = false, false, nil
	if !d.flight.data {
		b.touches = append(b.touches, d)
		b.items.Touches = append(b.items.Touches, persist.Touch{
			Ref: v.Ref(), Retime: retime, LastActive: v.LastActive, ExpiresAt: v.ExpiresAt,
		})
		return
	}
	b.writes = append(b.writes, d)
	b.items.Writes = append(b.items.Writes, persist.Write{
		Ref: v.Ref(), Retime: retime, If: d.base, Next: v.Version, Data: v.Doc.JSON,
		LastActive: v.LastActive, ExpiresAt: v.ExpiresAt,
	})
}

// fillUser takes the changes of a user who logs in: the least recently active
// session is chosen on disk.
func (c *core) fillUser(b *batch, user string) {
	for e := range c.hot.ByUser(user) {
		if d := c.dirty[e.ID()]; d != nil && d.elem != nil {
			c.fill(b, d)
		}
	}
}
