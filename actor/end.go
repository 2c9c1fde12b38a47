package actor

import "github.com/sessile/sessile/persist"

// unwritten is the number of the oldest change of e that is not on disk. A destroy takes it
// over with the session:
//
//  1. A change is acknowledged, and a Sync waits for it.
//  2. The session is destroyed: the change will never be written.
//  3. Until the deletion is on disk, a restart would show the session without the change.
//
// So the Sync is not done before the deletion is.
func (c *core) unwritten(e *entry) uint64 {
	first := c.seq + 1
	d := c.dirty[e.ID()]
	if d != nil && d.elem != nil {
		first = min(first, d.first)
	}
	if d != nil && d.flight.on {
		first = min(first, d.flight.first)
	}
	return first
}

// dropSession takes a session out of memory: queued changes are lost, and the outcome of those in
// flight is ignored. Whoever waits for them gets err. It says nothing about the disk: the
// caller adds a tombstone if the session is over.
func (c *core) dropSession(e *entry, err error) {
	id := persist.ID(e.ID())
	c.hot.Remove(e)
	if d := c.dirty[id]; d != nil {
		c.epochChanges++ // who does not find it from now on must not take its row for current
		c.failAll(&d.wait, err)
		c.failAll(&d.flight.wait, err)
		c.markClean(d)
	}
	c.endWatch(id)
}

// endedOnDisk forgets a session that is gone from the disk, and keeps loads that began before from
// bringing it back. It tells the event. An earlier tombstone may be there, of a destroy that is
// not settled: that one then tells none (see destroyOp.removed).
func (c *core) endedOnDisk(x persist.Removed, ev Event) {
	if e := c.hot.ByID(x.ID); e != nil {
		c.dropSession(e, persist.ErrNotFound)
	} else {
		c.endWatch(x.ID)
	}
	if len(c.late.byID) > 0 {
		c.late.forget(x.ID)
	}
	t := c.tombstones.sessions[x.ID]
	if t == nil {
		t = c.tombstones.addSession(x.ID, x.Hash, x.UserID)
		c.tombstones.commitSession(t)
	}
	t.told = true
	ev.ID, ev.UserID = x.ID, x.UserID
	c.recordEnd(x.ID, x.Hash, ev.Reason)
	c.event(ev)
}

// recordEnd notes why a session has ended, for whoever asks.
func (c *core) recordEnd(id persist.ID, token persist.Hash, reason string) {
	c.out.ends = append(c.out.ends, End{id, token, reason})
}

// Expiry returns the reason for which the session has expired at now.
func (v *View) Expiry(now int64) string {
	if now >= v.Deadline {
		return ReasonAbsolute
	}
	return ReasonIdle
}

// endWatch tells everyone who waits for the end of a session. The channel is closed when the
// step is published, after the index: who is told must not find the session.
func (c *core) endWatch(id persist.ID) {
	if w := c.watched.byID[id]; w != nil {
		c.out.ended = append(c.out.ended, w.done)
		c.unwatch(id, w)
	}
}
