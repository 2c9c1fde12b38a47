package actor

import (
	"cmp"
	"context"
	"slices"

	"github.com/sessile/sessile/persist"
)

// TokenChange says how a session's token is replaced.
type TokenChange struct {
	To     persist.Hash
	From   persist.Hash // the current token; or, if Until is set, the one before, whose successor was lost; zero = any
	Until  int64        // end of the old token's grace: 0 or persist.Unseen
	Reauth bool         // the user has authenticated again
}

// rotateCommand replaces a session's token.
type rotateCommand struct {
	sessionCall
	change TokenChange
	op     *rotateOp
}

// Rotate replaces a session's token. It is on disk, and the old token dead but for its grace,
// when Rotate returns nil.
//
// Errors: persist.ErrNotFound, ErrExpired, a *RotatedError if From is not its token,
// ErrInGrace, ErrConflict, ErrOverloaded, ErrClosed, persist.ErrCorrupt, the context's,
// persist.ErrUnavailable (nothing was done); persist.ErrUnknown, if it may be done: then nobody gets the new token, and the old
// one is dead unless it has a grace. A caller who leaves while it is in flight gets
// ErrUnknown too: its outcome is still to come, and if it turns out not to be done, the old
// token stays good.
func (a *Actor) Rotate(ctx context.Context, id persist.ID, t TokenChange) (*View, error) {
	x := fresh[rotateCommand](&a.pools.rotate)
	x.id, x.change, x.grows = id, t, true
	return a.view(ctx, a.growth, x)
}

// with queues a new token. The old one is good until the new one is on disk, and dead before
// the new one is handed out. What can be refused is refused here already, for a quick answer;
// prepare decides, when all that was accepted before has left.
func (x *rotateCommand) with(c *core, e *entry) {
	v := e.Value()
	if x.done && x.change.To == e.Key() {
		c.answer(&x.call, v)
		return
	}
	lost := x.change.Until != 0 && v.SuccessorLost(x.change.From, c.now)
	switch {
	case !v.ActiveAt(c.now):
		c.fail(&x.call, ErrExpired)
		return
	case x.done: // and replaced again since
		c.fail(&x.call, &RotatedError{ID: x.id, At: c.now})
		return
	case x.change.From != (persist.Hash{}) && x.change.From != e.Key() && !lost:
		c.fail(&x.call, &RotatedError{ID: x.id, At: c.now})
		return
	case x.change.Until != 0 && v.graced(c.now) && !lost:
		c.fail(&x.call, ErrInGrace)
		return
	}
	x.op = &rotateOp{ref: v.Ref(), entry: e, required: x.change.From, to: x.change.To, until: x.change.Until}
	if x.change.Reauth {
		x.op.authAt = c.now
	}
	c.hot.Pin(e)
	x.op.add(&x.call)
	c.accept(x.op)
	c.rotations[x.id] = append(c.rotations[x.id], x.op)
}

func (x *rotateCommand) giveUp(c *core) (later bool, state error) {
	switch {
	case x.done:
		return false, persist.ErrUnknown
	case x.op == nil || x.in != &x.op.waiters: // it has begun anew, or is yet to begin
		return false, nil
	default:
		return false, c.takeBack(x.op)
	}
}

// rotateOp is a new token that is not on disk yet.
type rotateOp struct {
	pending
	ref      persist.Ref
	entry    *entry       // pinned; nil once its outcome changes nothing in memory: locked out, or ended
	required persist.Hash // the token that it must replace, zero = any
	from, to persist.Hash
	lost     persist.Hash // successor of from that it replaces instead, zero = none
	until    int64
	authAt   int64

	// If it may have been done: what it replaces; and the key that memory had, if that is another.
	// Two rotations leave with one batch, from T0 to T1 and from T1 to T2, and memory has T0: then
	// of the second one dead is T1's, and deadKey is T0's.
	dead, deadKey *tokenTombstone
}

func (p *rotateOp) encode() persist.Op {
	return persist.Op{Kind: persist.OpRotate, Ref: p.ref, From: p.from, Lost: p.lost, To: p.to, Until: p.until, AuthAt: p.authAt}
}

// prepare decides what a rotation replaces: the current token, or the one that the rotation
// of the same session before it makes, if both leave with one batch. A rotation from the
// token before replaces a successor that was lost.
//
// It is refused while an earlier one is delayed: that may have been done, and the disk has
// refused its retry by itself. So nobody can say which token this one would replace. A retry is
// not decided again, because it must do on disk what the first try may have done.
func (p *rotateOp) prepare(c *core, _ *batch) bool {
	if p.tries > 0 {
		return true // that was decided when it left for the first time
	}
	p.from = p.entry.Key()
	graced, lost := false, false
	if v := p.entry.Value(); v != nil {
		graced, lost = v.graced(c.now), p.until != 0 && v.SuccessorLost(p.required, c.now)
	}
	for _, q := range c.rotations[p.ref.ID] {
		if q.stage == inFlight {
			p.from, graced, lost = q.to, q.until != 0, false
		}
	}
	switch {
	case c.hot.ByID(p.entry.ID()) != p.entry && !c.exclusive: // it has yielded, or ended
		c.runAgain(&p.waiters)
	case c.hot.ByID(p.entry.ID()) != p.entry:
		c.failAll(&p.waiters, persist.ErrNotFound)
	case p.required != (persist.Hash{}) && p.required != p.from && !lost:
		c.failAll(&p.waiters, &RotatedError{ID: p.ref.ID, At: c.now})
	case c.retryDelayed(p.ref.ID):
		c.failAll(&p.waiters, persist.ErrUnavailable)
	case p.until != 0 && graced && !lost:
		c.failAll(&p.waiters, ErrInGrace)
	default:
		if lost {
			p.lost, p.from = p.from, p.required
		}
		return true
	}
	p.end(c)
	return false
}

// settle gives the session its new token, and only then answers with it. A retry that the
// disk refuses says little: the first try may have been done. So it is tried again, and so is
// one whose token is yet to be made by a rotation before it.
func (p *rotateOp) settle(c *core, b *batch, o persist.Outcome) {
	if p.tries > 0 && (o.Status == persist.StatusFailed || o.Status == persist.StatusConflict && c.precedes(p)) {
		c.postpone(p, o.Err) // it may have been done before, or must wait for the one before it
		return
	}
	defer p.end(c)
	p.commitDead(c)
	if o.Status == persist.StatusApplied {
		c.overtake(p)
	}
	e, live := p.entry, p.entry != nil && c.hot.ByID(p.ref.ID) == p.entry
	switch {
	case e == nil:
		p.settleLockedOut(c, o)
	case o.Status == persist.StatusApplied && live:
		p.rotated(c, b)
	case o.Status == persist.StatusApplied || o.Status == persist.StatusGone:
		if live {
			c.dropSession(e, persist.ErrNotFound)
		}
		p.settleAway(c, o.Status == persist.StatusApplied && !c.exclusive)
	case o.Status == persist.StatusConflict && !c.exclusive: // another node has rotated it
		c.outdated(p.ref.ID)
		c.lost(&p.waiters)
	case o.Status == persist.StatusConflict:
		if live && p.dead != nil {
			c.dropSession(e, ErrConflict) // memory has said too much
		}
		c.failAll(&p.waiters, ErrConflict)
	default:
		c.failAll(&p.waiters, unavailable(o.Err))
	}
}

// settleAway takes the outcome for a session that memory does not have any more: it has ended, or
// it has yielded, if others write too and the rotation was done. A load that began before must
// not bring the old token back. One with a grace goes on to open the session.
func (p *rotateOp) settleAway(c *core, yielded bool) {
	if p.until == 0 || !yielded {
		c.tombstones.commitOne(c.tombstones.addToken(&tokenTombstone{hash: p.from}))
	}
	c.tombstones.addVersion(p.ref.ID)
	if yielded {
		p.readBack(c)
	}
	c.failAll(&p.waiters, persist.ErrNotFound)
}

// readBack has those who wait read the session that p has given its new token: it has yielded
// to a change of another node meanwhile, or has ended.
func (p *rotateOp) readBack(c *core) {
	c.outdated(p.ref.ID)
	for x := p.first; x != nil; x = x.next {
		x.done = true
	}
	c.runAgain(&p.waiters)
}

// rotated answers with the session under its new token.
func (p *rotateOp) rotated(c *core, b *batch) {
	c.overwritten(p.ref.ID)
	v := p.give(c, b.now)
	c.stats.Rotated++
	c.event(Event{Kind: EventRotated, ID: v.ID, UserID: v.UserID})
	c.answerAll(&p.waiters, v)
}

// give gives the session its new token. The old one lives on only in a grace: then it is an
// alias of the entry, else a tombstone that answers with a RotatedError.
func (p *rotateOp) give(c *core, at int64) *View {
	n := *p.entry.Value()
	n.Rotation = &persist.Rotation{Previous: p.from, Until: p.until, At: at}
	n.AuthAt = cmp.Or(p.authAt, n.AuthAt)
	c.replaceToken(p.entry, &n, p.to)
	if p.until != 0 {
		c.hot.Alias(p.entry, p.from)
	} else {
		k := c.tombstones.addToken(&tokenTombstone{hash: p.from, replaced: &RotatedError{ID: n.ID, At: at}})
		c.tombstones.commitOne(k)
	}
	return &n
}

// replaceToken gives e a new version under another token. An alias ends: only the token
// before the current one may have a grace.
func (c *core) replaceToken(e *entry, v *View, to persist.Hash) {
	c.hot.Unalias(e)
	c.put(e, v)
	c.hot.Rekey(e, to)
}

// end forgets a rotation that is settled, and lets go of its session.
func (p *rotateOp) end(c *core) {
	c.passed = true
	p.unpin(c)
	id := p.ref.ID
	l := slices.DeleteFunc(c.rotations[id], func(q *rotateOp) bool { return q == p })
	if c.rotations[id] = l; len(l) == 0 {
		delete(c.rotations, id)
	}
}

// unpin lets go of the session: what becomes of the rotation changes nothing in memory.
func (p *rotateOp) unpin(c *core) {
	if p.entry != nil {
		c.hot.Unpin(p.entry)
		p.entry = nil
	}
}

// commitDead commits the tombstones of what a rotation replaced: what became of it is known.
func (p *rotateOp) commitDead(c *core) {
	for _, k := range []*tokenTombstone{p.dead, p.deadKey} {
		if k != nil {
			c.tombstones.commitOne(k)
		}
	}
}

// retryDelayed reports whether a rotation of a session is delayed: it may have been done, and
// the disk has refused its retry by itself.
func (c *core) retryDelayed(id persist.ID) bool {
	return slices.ContainsFunc(c.rotations[id], func(q *rotateOp) bool { return q.stage == delayed })
}

// precedes reports whether a rotation that p may build on is yet to be done.
func (c *core) precedes(p *rotateOp) bool {
	return slices.ContainsFunc(c.rotations[p.ref.ID], func(q *rotateOp) bool { return q.stage != inFlight && q.order < p.order })
}

// overtake ends the retry of a rotation on which p builds. p replaced the token that it
// makes: so it was done, and its retry would find nothing to do.
func (c *core) overtake(p *rotateOp) {
	for _, q := range slices.Clone(c.rotations[p.ref.ID]) {
		if q.stage == delayed && q.to == p.from {
			c.ops.undelay(q)
			q.commitDead(c)
			q.end(c)
		}
	}
}
