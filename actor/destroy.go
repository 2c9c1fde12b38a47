package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// destroyCommand ends a session. It needs no entry unless an owner is named: a session is
// refused by its tombstone, whether memory has it or not. The tombstone of a cold session has no
// token: reads by token go to the disk, and the row is refused when it arrives.
type destroyCommand struct {
	sessionCall
	owner   persist.UserKey // zero: whoever's it is
	reason  string          // for its end
	refused bool            // the session is refused from now on
}

// Destroy ends a session. Memory refuses it as soon as the command is let in: at once, but
// for a session that is not in memory while tombstones are at their bound. Its deletion is
// on disk when Destroy returns nil. An unknown ID is no error.
//
// ErrNotDurable: it is refused, and its deletion is retried until it is on disk or Close
// gives up; see there. That includes a caller whose context ends: the error wraps the cause.
// ErrClosed or the context's error without ErrNotDurable: nothing was done.
func (a *Actor) Destroy(ctx context.Context, id persist.ID) error {
	return a.DestroyOwned(ctx, persist.UserKey{}, id, "")
}

// DestroyOwned is Destroy for a session of the user u alone; another's, like an
// unknown one, is persist.ErrNotFound. Without a user it is Destroy. reason is for the event and
// for EndOf.
func (a *Actor) DestroyOwned(ctx context.Context, u persist.UserKey, id persist.ID, reason string) error {
	x := fresh[destroyCommand](&a.pools.destroy)
	x.id, x.owner, x.reason, x.endsSessions = id, u, reason, true
	_, err := a.view(ctx, a.inbox, x)
	return err
}

// run refuses the session in memory first, and then ends it on disk. Naming the owner makes
// it conditional: then the session must be known, and is read if memory does not have it. A
// tombstone needs room only if memory has nothing that it replaces.
func (x *destroyCommand) run(c *core) {
	switch t := c.tombstones.sessions[x.id]; {
	case t != nil:
		x.join(c, t)
	case x.owner.ID != "":
		x.sessionCall.run(c)
	case c.hot.ByID(x.id) == nil && c.crowded():
		c.destroys.add(&x.call)
	default:
		c.destroyNow(x, x.id, x.reason)
	}
}

// with ends a session if it is the named user's.
func (x *destroyCommand) with(c *core, e *entry) {
	if x.owner.ID != "" && e.User() != x.owner.ID {
		c.fail(&x.call, persist.ErrNotFound)
		return
	}
	c.destroyNow(x, x.id, x.reason)
}

// join answers a destroy of what is already destroyed: when that is on disk. One operation
// serves all of them, so repeated calls for one session add nothing while a disk hangs. If
// the owner does not match, or the session was over before, the answer is that of an unknown
// session: nobody learns whose it was.
func (x *destroyCommand) join(c *core, t *sessionTombstone) {
	switch {
	case x.owner.ID != "" && (t.commit != 0 || t.owner != x.owner.ID):
		c.fail(&x.call, persist.ErrNotFound)
	case t.commit != 0:
		c.answer(&x.call, nil)
	default:
		t.op.state().add(&x.call)
		x.refused = true
	}
}

// giveUp leaves the deletion to go on. It must never be taken back: the session is refused
// already, and would come back.
func (x *destroyCommand) giveUp(*core) (later bool, state error) {
	if x.refused {
		return false, ErrNotDurable
	}
	return false, nil
}

// destroyNow refuses a session from now on and queues its deletion, for x or for nobody. Its
// changes are dropped with it. The operation holds back in their stead every Sync that covers
// them.
func (c *core) destroyNow(x *destroyCommand, id persist.ID, reason string) *destroyOp {
	p := &destroyOp{ref: persist.Ref{ID: id}, reason: reason}
	p.deletes = true
	holdsBack := c.seq + 1
	if e := c.hot.ByID(id); e != nil {
		holdsBack = c.unwritten(e)
		p.ref = e.Value().Ref()
		p.tombstone = c.tombstones.addSession(id, e.Key(), e.User())
		c.recordEnd(id, e.Key(), reason)
		c.dropSession(e, persist.ErrNotFound)
	} else {
		p.tombstone = c.tombstones.addSession(id, persist.Hash{}, "")
		c.recordEnd(id, persist.Hash{}, reason)
		c.endWatch(id)
	}
	p.tombstone.op = p
	if x != nil {
		x.refused = true
		p.add(&x.call)
	}
	c.accept(p)
	p.holdsBack = min(p.holdsBack, holdsBack)
	return p
}

// destroyOp is a session whose end is not on disk yet.
type destroyOp struct {
	pending
	ref       persist.Ref
	reason    string
	tombstone *sessionTombstone
	all       *ending // the log-out of everybody that waits for it, or nil
	unknown   bool    // it may have been done before
}

func (p *destroyOp) encode() persist.Op { return persist.Op{Kind: persist.OpDestroy, Ref: p.ref} }

// settle answers, or, if the disk refuses this one deletion, tries it again for ever:
// the session stays refused.
func (p *destroyOp) settle(c *core, _ *batch, o persist.Outcome) {
	if o.Status != persist.StatusApplied && o.Status != persist.StatusGone {
		p.failed(c, o.Err)
		c.postpone(p, o.Err)
		return
	}
	c.tombstones.commitSession(p.tombstone)
	ended := p.removed(o)
	for _, x := range ended {
		c.endedOnDisk(x, Event{Kind: EventDestroyed, Reason: p.reason})
		c.stats.Destroyed++
	}
	if p.all != nil {
		p.all.settled(c, len(ended))
	}
	c.answerAll(&p.waiters, nil)
}

// removed is the session that p has ended, if there was one.
//
//  1. The first commit is done, and reported as unknown.
//  2. The retry finds nothing to delete.
//
// Then it is the session that memory had when p was accepted, unless another operation has
// told its end.
func (p *destroyOp) removed(o persist.Outcome) []persist.Removed {
	t := p.tombstone
	if o.Status != persist.StatusGone || !p.unknown || t.token == nil || t.told {
		return o.Removed
	}
	return []persist.Removed{{ID: t.id, Hash: t.token.hash, UserID: t.owner}}
}

// fail has the deletion tried again whatever became of it, because its session is refused.
// Callers are not kept waiting: they are told what holds from now on.
func (p *destroyOp) fail(c *core, _ *batch, err error, unknown bool) bool {
	p.unknown = p.unknown || unknown
	p.failed(c, err)
	return true
}

// failed tells those who wait that the deletion is not on disk yet.
func (p *destroyOp) failed(c *core, err error) {
	c.failAll(&p.waiters, notDurable(err))
	if p.all != nil {
		p.all.failed(c, err)
	}
}
