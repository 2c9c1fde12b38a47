package actor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/sessile/sessile/persist"
)

// What a backend's Watch tells of other nodes, and of others who write the store.
type (
	reset struct {
		reason string
		at     int64 // tick at which the backend said so
	}
	invalidate struct{ events []persist.Event }
	renew      struct{ at int64 } // a tick: everything committed before it has been delivered
)

// handle drops everything that is not on its way to the disk, and what is as soon as it is
// there: hot.Clear leaves pinned entries until they are let go. Loads and creates that are
// under way may be outdated, and are not installed. Watched sessions are read again.
//
// Where others write too, pinned sessions yield, and memory is not trusted before the backend says
// that it is fresh.
func (m reset) handle(c *core) {
	c.epochChanges++
	c.hot.Clear()
	c.loads.markStale()
	c.markBatchStale()
	if c.exclusive {
		c.rereadWatched()
	} else {
		c.lease, c.resetAt, c.rereadTick = 0, m.at, c.tick
		c.late.hurry(c.tick)
		c.yieldAll()
	}
	c.event(Event{Kind: EventCacheReset, Reason: m.reason})
}

// yieldAll has all sessions yield that are in memory now. Until that is done the lease is not
// renewed.
func (c *core) yieldAll() {
	c.resetting++
	walk := forEach(slices.Collect(c.all()), func(c *core, e *entry) {
		if e.Resident() {
			c.yield(e)
		}
	})
	c.begin(func(c *core) (done bool) {
		if done = walk(c); done {
			c.resetting--
		}
		return done
	})
}

// handle has the sessions yield that another node has changed. A row of theirs that is being
// read may be from before that change.
func (m invalidate) handle(c *core) {
	c.loads.hear(m.events) // first: those who yield read what is newer
	for _, ev := range m.events {
		switch ev.Kind {
		case persist.EventSessionChanged:
			if e := c.hot.ByID(ev.ID); e != nil {
				c.yield(e)
			}
		case persist.EventUserChanged:
			for e := range c.hot.ByUser(ev.UserID) {
				if e.ID() != ev.Except {
					c.yield(e)
				}
			}
		}
	}
	c.markBatchStale()
}

// markBatchStale notes that another node may have changed what the batch in flight creates.
// Its sessions are answered, and not put into memory.
func (c *core) markBatchStale() {
	if c.inFlight != nil {
		c.inFlight.stale = true
	}
}

// handle renews the lease: everything committed before m.at has been delivered. A lease never
// gets shorter by that: news may come out of order. News from before a reset says nothing.
func (m renew) handle(c *core) {
	if !c.exclusive && m.at >= c.resetAt && c.resetting == 0 {
		c.lease = max(c.lease, m.at+c.cfg.Lease.Microseconds())
	}
}

// agrees reports whether memory has a session as the row has it, accesses aside. Where others
// write too, a row that differs is newer, because news come late; or it is older than a commit
// of our own, of which there is a tombstone then.
func agrees(e *entry, r persist.Record) bool {
	return e.Key() == r.Hash && e.Value().Version == r.Version
}

// remembered is what memory has of a session whose row was just read, with the times of the row
// if those are later: an access on another node is no event.
func (c *core) remembered(r persist.Record) *entry {
	e := c.hot.ByID(r.ID)
	if old := e.Value(); !c.exclusive && r.LastActive > old.LastActive {
		v, _ := c.cfg.read(r, c.now)
		n := *old
		n.access(v.LastActive, v.ExpiresAt, false)
		c.put(e, &n)
	}
	return e
}

// yield takes out of memory a session that others may have changed. It ends nothing:
//
//   - Callers whose changes have not left for the database apply them to the row.
//   - Callers whose changes are in flight wait for the outcome.
//   - Who watches the session goes on to do so when it has been read again.
//   - Touches are written without it.
func (c *core) yield(e *entry) {
	if e.Detached() { // a log-out has ended it, and is yet to clear it
		c.dropSession(e, persist.ErrNotFound)
		return
	}
	var again waiters
	c.takeOut(e, &again)
	c.runAgain(&again)
}

// takeOut is yield, and has the callers that have to begin anew wait in again.
func (c *core) takeOut(e *entry, again *waiters) {
	id := persist.ID(e.ID())
	c.hot.Remove(e)
	if w := c.watched.byID[id]; w != nil && w.entry == e {
		c.rereadOne(w)
	}
	if d := c.dirty[id]; d != nil {
		d.wait.moveTo(again)
		c.keepTouch(d)
	}
}

// lastTouch has the times of the last touch that may not be on disk, nil if there is none.
func (d *dirty) lastTouch() *View { return cmp.Or(d.touch, d.flight.touch) }

// keepTouch takes out what is not on disk of a session that yields, but for a touch: its caller
// has been answered, and it can only extend the session. So it stays in the queue, as that of an
// entry which has left memory, until it is written. One that is in flight is written twice, in
// case that commit fails.
func (c *core) keepTouch(d *dirty) {
	v := d.lastTouch()
	if v == nil {
		c.markClean(d)
		return
	}
	times := &View{Identity: v.Identity, LastActive: v.LastActive, ExpiresAt: v.ExpiresAt}
	k := &dirty{entry: d.entry, touch: times, tries: d.tries, first: d.first, since: d.since, spot: spot{place: d.place}}
	if d.flight.touch == nil {
		c.queue.replace(d, k)
	} else { // older than most of the queue
		k.first, k.since = d.flight.first, d.flight.since
		c.queue.putBack([]*dirty{k})
	}
	c.markClean(d)
	c.dirty[v.ID] = k
	c.hot.Pin(k.entry)
}

// attach gives a kept touch the entry of its session, which has been read again. Its own has left memory.
func (d *dirty) attach(c *core, e *entry) {
	d.entry, d.base = e, e.Value().Version
	c.hot.Pin(e)
}

// replace has a session yield to the row that was just read.
func (c *core) replace(e *entry, r persist.Record, v *View, moved bool) *entry {
	var again waiters
	c.takeOut(e, &again)
	e = c.install(r, v, moved)
	c.runAgain(&again)
	return e
}

// runAgain has commands begin anew.
func (c *core) runAgain(w *waiters) {
	var l waiters // a command may come to wait in w again
	for w.moveTo(&l); l.n > 0; {
		l.take().self.run(c)
	}
}

// failure is what x is told of an error. If x is done, that is none which says that nothing was
// done, as ErrClosed and persist.ErrUnavailable do.
func (x *call) failure(err error) error {
	if !x.done || errors.Is(err, persist.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w: it is done, and reading the session back failed: %s", persist.ErrUnknown, err.Error())
}

// mostConflicts is how often a command finds that another node was first. Then it fails. The first
// time may only mean that news of an earlier change is still under way. After that the command
// changes the row that it has read, three times.
const mostConflicts = 4

// lost has commands begin anew whose writes another node has overtaken.
func (c *core) lost(w *waiters) {
	for x := w.first; x != nil; {
		next := x.next
		if x.conflicts++; x.conflicts == mostConflicts {
			c.fail(x, ErrConflict)
		}
		x = next
	}
	c.runAgain(w)
}

// mostOutdated is how often in a row a command reads a row that others change meanwhile. Then it fails.
const mostOutdated = 16

// readOnceMore has a command begin anew whose row may be outdated.
func (c *core) readOnceMore(x *call) {
	if x.outdated++; !c.exclusive && x.outdated == mostOutdated {
		c.fail(x, ErrConflict)
		return
	}
	x.self.run(c)
}

// outdated has a session yield whose row was written by an operation that memory has not
// followed. A load that began before must not bring the old row back.
func (c *core) outdated(id persist.ID) {
	c.overwritten(id)
	if e := c.hot.ByID(id); e != nil {
		c.yield(e)
	}
}

// leaseOver has watched sessions read again when the lease is over, and once a lease while it
// stays over: nobody else asks whether they are there still.
func (c *core) leaseOver() {
	if c.tick >= c.rereadAt() {
		c.rereadTick = c.tick
		c.rereadWatched()
	}
}

// rereadAt is the tick at which that is due, or forever, where sessions are watched.
func (c *core) rereadAt() int64 {
	if c.exclusive {
		return forever
	}
	return max(c.lease, c.rereadTick+c.cfg.Lease.Microseconds())
}
