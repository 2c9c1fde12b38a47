package actor

import (
	"errors"
	"iter"

	"github.com/sessile/sessile/persist"
)

// A log-out of everybody ends the sessions whose keys are up to a bound, which a read of the
// newest row has given. A session that is created later has a greater key.
//
//  1. The loop notes the bound as a tombstone. From now on it refuses each row under it.
//  2. Chores take the sessions under it out of memory.
//  3. The ender, a goroutine of the actor, reads the keys of the rows, a page at a time. The
//     loop makes a destroy of each, and the ender waits until all of them are on disk.
//  4. When no row is left, callers are answered.
//
// One runs at a time. A call that comes meanwhile raises the bound, and the ender begins anew
// at the new one.

// ending is a log-out of everybody that is not on disk yet.
type ending struct {
	waiters           // who has asked for it
	ender     waiters // the ender, while it waits for a page
	tombstone *allTombstone
	open      int // destroys that are not on disk
	ended     int // sessions that it has ended on disk
	chores    int // that take its sessions out of memory, or answer behind those
}

// allTombstone refuses every session whose key is not greater than through.
type allTombstone struct {
	commitNumber
	through int64
	reason  string
}

func (t *tombstones) addAll(through int64, reason string) *allTombstone {
	t.all = &allTombstone{through: through, reason: reason}
	return t.all
}

func (a *allTombstone) forget(t *tombstones) {
	if t.all == a {
		t.all = nil
	}
}

// clear takes the sessions under the bound out of memory, a slice at a time. Until then they are
// alive, since nobody has been told of their end. Those that are installed meanwhile are above it.
// Then it tells those who watch sessions that memory does not have.
func (e *ending) clear(c *core) {
	next, stop := iter.Pull(c.all())
	e.addChore(c, func(c *core) bool {
		for range sliceSize {
			x, more := next()
			if !more {
				stop()
				return true
			}
			if x.Resident() && x.Value().Key <= e.tombstone.through {
				e.refuse(c, x)
			}
		}
		return false
	})
	var unread chore
	e.addChore(c, func(c *core) bool {
		if unread == nil { // none is added from now on
			unread = c.endUnread(e.tombstone.reason, func(w *watch) bool { return w.key <= e.tombstone.through })
		}
		return unread(c)
	})
}

// addChore has a chore done behind those of e that wait.
func (e *ending) addChore(c *core, do chore) {
	e.chores++
	c.chores = append(c.chores, func(c *core) bool {
		done := do(c)
		if done {
			e.chores--
		}
		return done
	})
}

// refuse takes a session out of memory. One with changes is destroyed at once: a Sync that
// covers them waits for that.
func (e *ending) refuse(c *core, x *entry) {
	if c.dirty[x.ID()] != nil {
		e.destroy(c, x.ID())
		return
	}
	c.recordEnd(x.ID(), x.Key(), e.tombstone.reason)
	c.dropSession(x, persist.ErrNotFound)
}

// join has the log-out wait for a destroy that is not on disk.
func (e *ending) join(p *destroyOp) {
	if p.all == nil {
		p.all = e
		e.open++
	}
}

// destroy queues the deletion of a session. It is bulk: others come first.
func (e *ending) destroy(c *core, id persist.ID) *destroyOp {
	p := c.destroyNow(nil, id, e.tombstone.reason)
	p.bulk = 1
	e.join(p)
	return p
}

// whenCleared does something behind the chores of e that wait.
func (e *ending) whenCleared(c *core, do func(c *core)) {
	if e.chores == 0 {
		do(c)
		return
	}
	e.addChore(c, func(c *core) bool {
		do(c)
		return true
	})
}

// failed tells those who wait that the log-out is not on disk yet.
func (e *ending) failed(c *core, err error) {
	e.whenCleared(c, func(c *core) { c.failAll(&e.waiters, notDurable(err)) })
}

// settled notes that a destroy is on disk.
func (e *ending) settled(c *core, ended int) {
	e.open--
	e.ended += ended
	e.goOn(c)
}

// goOn lets the ender read the next page when the destroys of the last one are on disk.
func (e *ending) goOn(c *core) {
	if e.open > 0 {
		return
	}
	for x := e.ender.first; x != nil; x = e.ender.first {
		piece := x.self.(*pieceCommand) //nolint:forcetypeassert,errcheck // nobody else waits for it
		piece.alone = c.bulk.others == piece.others
		c.answer(x, nil)
	}
}

func (e *ending) answer(c *core) {
	for x := e.first; x != nil; x = e.first {
		x.self.(*destroyAllCommand).n = e.ended //nolint:forcetypeassert,errcheck // nobody else waits for it
		c.answer(x, nil)
	}
	c.pruneTombstones()
}

// unended says what Close leaves undone of a log-out of everybody.
func (c *core) unended() error {
	if c.ending == nil {
		return nil
	}
	return errUnended
}

var errUnended = errors.New("closing the session store: a log-out of everybody has not deleted all sessions: those left may be back")
