package actor

import (
	"context"
	"fmt"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/persist"
)

// destroyUserCommand ends the sessions of a user.
type destroyUserCommand struct {
	call
	user   persist.UserKey
	except persist.ID
	op     *destroyUserOp
	n      int
}

// DestroyUser ends every session of a user but except (zero = all of them) and
// returns how many were stored. It is on disk when DestroyUser returns nil. Its errors are
// those of Destroy; persist.ErrNotFound if except is not an active session of the user.
//
// If a first commit was done but reported as unknown, its retry finds nothing to delete:
// those sessions are neither counted nor told as events.
func (a *Actor) DestroyUser(ctx context.Context, u persist.UserKey, except persist.ID) (int, error) {
	x := fresh[destroyUserCommand](&a.pools.destroyUser)
	x.user, x.except, x.endsSessions = u, except, true
	err := a.call(ctx, a.inbox, x)
	n := x.n
	x.recycle()
	return n, err
}

func (x *destroyUserCommand) run(c *core) {
	if x.except.IsZero() {
		x.start(c, nil)
		return
	}
	if e := c.resident(&x.call, x.except); e != nil {
		x.with(c, e)
	}
}

// with ends the others if the session to keep is the user's and active. It waits for a
// login that replaces that one.
func (x *destroyUserCommand) with(c *core, e *entry) {
	if r := c.replacing[x.except]; r != nil {
		r.add(&x.call)
		return
	}
	if e.User() != x.user.ID || !e.Value().ActiveAt(c.now) {
		c.fail(&x.call, persist.ErrNotFound)
		return
	}
	x.start(c, e)
}

// start ends a user's sessions: in memory, on disk, dirty, being loaded and being created.
func (x *destroyUserCommand) start(c *core, keep *entry) {
	p := c.tombstones.joinable(x.user.ID, x.except)
	if p == nil && c.crowded() && !c.hot.Has(x.user.ID) {
		c.destroys.add(&x.call)
		return
	}
	if p == nil {
		p = &destroyUserOp{user: x.user, except: x.except}
		p.deletes = true
		c.accept(p)
		p.tombstone = c.tombstones.addUser(&userTombstone{user: x.user.ID, except: x.except, order: p.order, op: p})
	}
	x.op = p
	p.add(&x.call)
	p.clear(c, keep)
}

// giveUp tells the caller that the sessions are refused, as soon as they are.
func (x *destroyUserCommand) giveUp(c *core) (later bool, state error) {
	switch {
	case x.op == nil:
		return false, nil
	case x.op.clearing == 0:
		return false, ErrNotDurable
	}
	c.chores = append(c.chores, func(c *core) bool { // behind the one that clears
		c.fail(&x.call, &leftError{ErrNotDurable})
		return true
	})
	return true, nil
}

// destroyUserOp is a log-out of a user that is not on disk yet.
type destroyUserOp struct {
	pending
	user      persist.UserKey
	except    persist.ID
	tombstone *userTombstone
	clearing  int // chores that take its sessions out of memory
}

// clear takes the user's sessions out of memory: a slice at once, the others in steps to
// come. Until then they are alive, since nobody has been told of their end; those that
// begin meanwhile are not among them.
func (p *destroyUserOp) clear(c *core, keep *entry) {
	c.endUnread(p.user.ID, p.except)
	group := c.hot.Detach(p.user.ID, keep)
	if group == nil || p.clearSlice(c, group) {
		return
	}
	p.clearing++
	c.chores = append(c.chores, func(c *core) bool {
		done := p.clearSlice(c, group)
		if done {
			p.clearing--
		}
		return done
	})
}

func (p *destroyUserOp) clearSlice(c *core, group *cache.Group[View]) (done bool) {
	for range sliceSize {
		e := group.First()
		if e == nil {
			return true
		}
		p.holdsBack = min(p.holdsBack, c.unwritten(e))
		c.drop(e, persist.ErrNotFound)
	}
	return group.First() == nil
}

func (p *destroyUserOp) encode() persist.Op {
	return persist.Op{Kind: persist.DestroyUser, User: p.user, Except: p.except}
}

// settle answers when memory has none of the sessions any more, and all of their ends
// have been told. What the disk refuses is tried again for ever.
func (p *destroyUserOp) settle(c *core, _ *batch, o persist.Outcome) {
	if o.Status != persist.Applied && o.Status != persist.Gone {
		p.tombstone.stuck = true
		p.failed(c, o.Err)
		c.postpone(p, o.Err)
		return
	}
	c.tombstones.commitOne(p.tombstone)
	c.stats.Destroyed += uint64(len(o.Removed))
	left := o.Removed
	c.whenCleared(p, func(c *core) bool {
		n := min(len(left), sliceSize)
		for _, x := range left[:n] {
			c.over(x, Event{Kind: Destroyed})
		}
		c.pruneTombstones()
		if left = left[n:]; len(left) > 0 {
			return false
		}
		for x := p.first; x != nil; x = p.first {
			x.self.(*destroyUserCommand).n = len(o.Removed) //nolint:forcetypeassert,errcheck // nobody else waits for it
			c.answer(x, nil)
		}
		return true
	})
}

func (p *destroyUserOp) fail(c *core, _ *batch, err error, _ bool) bool {
	p.failed(c, err)
	return true
}

// failed tells those who wait that the log-out is not on disk yet.
func (p *destroyUserOp) failed(c *core, err error) {
	c.whenCleared(p, func(c *core) bool {
		c.failAll(&p.waiters, fmt.Errorf("%w: %w", ErrNotDurable, err))
		return true
	})
}

func (p *destroyUserOp) surrender(c *core) {
	c.failAll(&p.waiters, fmt.Errorf("%w: %w", ErrNotDurable, ErrClosed))
}

// whenCleared does a first slice at once, and what is left of it, or all of it, behind
// the chores that take the sessions out of memory.
func (c *core) whenCleared(p *destroyUserOp, do chore) {
	if p.clearing > 0 || !do(c) {
		c.chores = append(c.chores, do)
	}
}
