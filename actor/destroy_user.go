package actor

import (
	"cmp"
	"context"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/persist"
)

// destroyUserCommand ends the sessions of a user.
type destroyUserCommand struct {
	call
	user   persist.UserKey
	except persist.ID
	reason string
	op     *destroyUserOp
	n      int
}

// DestroyUser ends every session of a user but except (zero = all of them) and
// returns how many were stored. It is on disk when DestroyUser returns nil. Its errors are
// those of Destroy; persist.ErrNotFound if except is not an active session of the user.
//
// Sessions that are not in memory are refused at once; those in memory within a few steps, and
// before DestroyUser returns. If memory has none, and tombstones are at their bound, all of that
// begins when there is room. The disk deletes the sessions in pieces, between which others
// commit: if it fails, or the process ends before DestroyUser returns, it may still have some.
//
// If a commit was done but reported as unknown, its retry does not find what that has
// deleted: those sessions are neither counted nor told as events.
func (a *Actor) DestroyUser(ctx context.Context, u persist.UserKey, except persist.ID, reason string) (int, error) {
	x := fresh[destroyUserCommand](&a.pools.destroyUser)
	x.user, x.except, x.reason, x.endsSessions = u, except, reason, true
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

// start ends a user's sessions: in memory, on disk, dirty, being loaded and being created. An
// equal log-out that is yet to leave is joined: a disk that is down would let them pile up.
// Memory is cleared for each of them, because sessions may have begun since.
func (x *destroyUserCommand) start(c *core, keep *entry) {
	p := c.tombstones.joinable(x.user.ID, x.except)
	if p == nil && c.crowded() && !c.hot.Has(x.user.ID) {
		c.destroys.add(&x.call)
		return
	}
	if p == nil {
		p = &destroyUserOp{user: x.user, except: x.except, reason: x.reason}
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
	case x.op.chores == 0:
		return false, ErrNotDurable
	}
	x.op.addChore(c, func(c *core) bool { // behind the one that clears
		c.fail(&x.call, &leftError{ErrNotDurable})
		return true
	})
	return true, nil
}

// destroyUserOp is a log-out of a user that is not on disk yet. It leaves in pieces: the
// first one in its turn, each other one as bulk, at the log-out's original place.
type destroyUserOp struct {
	pending
	user      persist.UserKey
	except    persist.ID
	reason    string
	tombstone *userTombstone
	pieceSize int // sessions that the piece may end, 0 = all that are left
	ended     int // sessions that its pieces have ended
	chores    int // that take its sessions out of memory, or tell of their ends
}

// clear takes the user's sessions out of memory: a slice at once, the others one by one, from
// the end of this step on. Until then they are alive, since nobody has been told of their end; those that
// begin meanwhile are not among them.
func (p *destroyUserOp) clear(c *core, keep *entry) {
	p.whenCleared(c, c.endUnread(p.reason, func(w *watch) bool { return w.user == p.user.ID && w.id != p.except }))
	group := c.hot.Detach(p.user.ID, keep)
	if group == nil || p.clearSlice(c, group) {
		return
	}
	p.addChore(c, func(c *core) bool { return p.clearSlice(c, group) })
}

// addChore has a chore done behind those of p that wait.
func (p *destroyUserOp) addChore(c *core, do chore) {
	p.chores++
	c.chores = append(c.chores, func(c *core) bool {
		done := do(c)
		if done {
			p.chores--
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
		c.recordEnd(e.ID(), e.Key(), p.reason)
		c.dropSession(e, persist.ErrNotFound)
	}
	return group.First() == nil
}

// prepare cuts the next piece. It is all that is left if a login waits whose limit counts
// the user's sessions, or nobody else will wait any more.
func (p *destroyUserOp) prepare(c *core, _ *batch) bool {
	if p.pieceSize = cmp.Or(p.bulk, c.bulk.rows); p.tombstone.limited > 0 || c.closing {
		p.pieceSize = 0
	}
	return true
}

func (p *destroyUserOp) encode() persist.Op {
	return persist.Op{Kind: persist.OpDestroyUser, User: p.user, Except: p.except, Through: p.tombstone.through, Max: p.pieceSize}
}

// settle has the next piece leave, or answers, when memory has none of the sessions any
// more, and all of their ends have been told. What the disk refuses is tried again for ever.
func (p *destroyUserOp) settle(c *core, _ *batch, o persist.Outcome) {
	if p.tombstone.stuck = o.Status != persist.StatusApplied && o.Status != persist.StatusGone; p.tombstone.stuck {
		p.failed(c, o.Err)
		c.postpone(p, o.Err)
		return
	}
	p.ended += len(o.Removed)
	c.stats.Destroyed += uint64(len(o.Removed))
	last := o.Through == 0
	if last {
		c.tombstones.commitOne(p.tombstone)
	} else {
		c.tombstones.commitPiece(p.tombstone, o.Through)
		p.goOn(c)
	}
	p.whenCleared(c, func(c *core) bool { return p.told(c, &o.Removed) && (!last || p.answer(c)) })
}

// goOn has the next piece wait for its turn.
func (p *destroyUserOp) goOn(c *core) {
	p.since, p.tries = c.tick, 0
	if p.bulk = c.bulk.rows; p.tombstone.limited > 0 {
		p.bulk = 0
	}
	c.unfinished = append(c.unfinished, p)
}

// told tells of the ends of a slice of the sessions, and reports whether it was the last.
func (p *destroyUserOp) told(c *core, ended *[]persist.Removed) bool {
	n := min(len(*ended), sliceSize)
	for _, x := range (*ended)[:n] {
		c.endedOnDisk(x, Event{Kind: EventDestroyed, Reason: p.reason})
	}
	c.pruneTombstones()
	*ended = (*ended)[n:]
	return len(*ended) == 0
}

func (p *destroyUserOp) answer(c *core) bool {
	for x := p.first; x != nil; x = p.first {
		x.self.(*destroyUserCommand).n = p.ended //nolint:forcetypeassert,errcheck // nobody else waits for it
		c.answer(x, nil)
	}
	return true
}

// fail has the piece tried again whatever became of it: the sessions are refused already.
func (p *destroyUserOp) fail(c *core, _ *batch, err error, _ bool) bool {
	p.failed(c, err)
	return true
}

// failed tells those who wait that the log-out is not on disk yet.
func (p *destroyUserOp) failed(c *core, err error) {
	p.whenCleared(c, func(c *core) bool {
		c.failAll(&p.waiters, notDurable(err))
		return true
	})
}

// whenCleared does a first slice at once, and what is left of it, or all of it, behind
// the chores of p that wait.
func (p *destroyUserOp) whenCleared(c *core, do chore) {
	if p.chores > 0 || !do(c) {
		p.addChore(c, do)
	}
}
