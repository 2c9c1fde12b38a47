package actor

import "github.com/sessile/sessile/persist"

// A rotation whose outcome is unknown is tried again, though nobody waits for it any
// more, until the disk says what became of it. The rotations of one session that are not
// settled build on each other, so they are kept in the order in which they were accepted.

// fail tells those who wait, and returns whether the rotation must be tried again. If it may
// have been done, the new token is never handed out, because nobody can say whether it opens
// the session.
//
//  1. With a grace the old token is good whatever the disk did, and stays so. A lost
//     successor is dead from now on.
//  2. Without a grace the old token must be dead if the disk did it, and the new one if it
//     did not. So no token opens the session from now on. The retry changes nothing about
//     that: it stores the token that nobody has. What does is a rotation whose From is zero,
//     or a restart before the retry is done.
func (p *rotateOp) fail(c *core, _ *batch, err error, unknown bool) bool {
	c.failAll(&p.waiters, err)
	switch {
	case !unknown && p.tries == 1: // what is tried again may have been done before
		p.end(c)
		return false
	case p.until != 0:
		p.loseSuccessor(c)
		return true
	}
	if e := p.entry; e != nil && c.hot.ByID(e.ID()) == e {
		p.lockOut(c, e)
	}
	p.unpin(c)
	if p.dead == nil {
		p.dead = c.tombstones.addToken(&tokenTombstone{hash: p.from, to: p.to, at: c.now})
	}
	return true
}

// loseSuccessor kills the successor that a rotation replaces, as soon as that may have
// been done. Else:
//
//  1. The outcome is unknown.
//  2. The lost token comes after all, and is noted as seen.
//  3. The retry replaces it, and the client that has it is logged out.
func (p *rotateOp) loseSuccessor(c *core) {
	if p.lost == (persist.Hash{}) || p.dead != nil {
		return
	}
	p.dead = c.tombstones.addToken(&tokenTombstone{hash: p.lost, to: p.to, at: c.now})
	if e := p.entry; e != nil && c.hot.ByID(e.ID()) == e {
		p.give(c, c.now)
	}
}

// lockOut lets no token open a session: its entry gets the new token, which nobody has. By ID
// the session lives on, and a rotation whose From is zero gives it a token again. Memory
// alone knows this: after a restart the disk decides which token opens it.
//
// An earlier rotation with a grace in the same batch loses its entry: else its token would be
// given to the session when its retry succeeds.
func (p *rotateOp) lockOut(c *core, e *entry) {
	for _, q := range c.rotations[p.ref.ID] {
		if q.stage == inFlight && q.order < p.order && q.until != 0 && q.entry == e {
			q.unpin(c)
		}
	}
	if old := e.Key(); old != p.from {
		p.deadKey = c.tombstones.addToken(&tokenTombstone{hash: old, to: p.to, at: c.now})
	}
	n := *e.Value()
	n.Rotation = lockedOut(p.from, c.now)
	c.replaceToken(e, &n, p.to)
	c.recordEnd(e.ID(), persist.Hash{}, ReasonTokenLost)
	c.endWatch(e.ID())
}

// settleLockedOut takes the outcome for a session that lockOut has given the token that nobody
// has. If it was done, the row has the proof of identity, and memory takes it over. If the row
// has another token, or is gone, memory forgets the session: the next call reads the disk. But
// changes that are acknowledged and not on disk are never forgotten: then it stays locked out. A
// session that a later rotation has changed since waits for the outcome of that one.
func (p *rotateOp) settleLockedOut(c *core, o persist.Outcome) {
	e := c.hot.ByID(p.ref.ID)
	switch {
	case e == nil: // it has ended
	case o.Status == persist.StatusApplied:
		if n := *e.Value(); p.authAt > n.AuthAt {
			n.AuthAt = p.authAt
			c.put(e, &n)
		}
	case e.Key() != p.to:
	case o.Status == persist.StatusGone:
		c.overwritten(p.ref.ID) // a list that began before has a row without the changes that memory had
		c.dropSession(e, persist.ErrNotFound)
	case c.exclusive && c.dirty[p.ref.ID] != nil:
	default:
		c.outdated(p.ref.ID)
	}
}
