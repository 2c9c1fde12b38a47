package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// seenCommand notes that a new token has come back. Until then the token before stays good
// without end: its successor may be lost on its way to the client. From then on a grace is
// enough for requests that are under way.
type seenCommand struct {
	sessionCall
	current persist.Hash
	until   int64
}

// Seen notes that the token with hash current has been presented: the grace of
// its predecessor ends at until. Written behind; where others write too it is on disk when Seen
// returns, because memory may forget it before.
func (a *Actor) Seen(ctx context.Context, id persist.ID, current persist.Hash, until int64) error {
	x := fresh[seenCommand](&a.pools.seen)
	x.id, x.current, x.until = id, current, until
	_, err := a.view(ctx, a.inbox, x)
	return err
}

// with ends the grace in memory at once, and queues the same for the disk. Nobody waits for
// that: a crash leaves the old token good until the new one comes again, and is seen again.
// So where there is no room for more it is left out, and noted by the next read.
func (x *seenCommand) with(c *core, e *entry) {
	v := e.Value()
	if v.Rotation == nil || v.Until <= x.until || e.Key() != x.current || c.full { // the next read notes it again
		c.answer(&x.call, v)
		return
	}
	n, r := *v, *v.Rotation
	r.Until = x.until
	n.Rotation = &r
	c.put(e, &n)
	c.hot.Pin(e) // memory alone knows it until it is on disk
	p := &seenOp{ref: v.Ref(), entry: e, to: x.current, until: x.until}
	p.background = c.exclusive
	c.accept(p)
	if !c.exclusive {
		p.add(&x.call)
		return
	}
	c.answer(&x.call, &n)
}

// seenOp is the end of a grace that is not on disk yet. It is an operation rather than a
// change of a dirty session, because it is about one token: the backend applies it only if
// that is still the session's, and only if the end is sooner than what is stored.
type seenOp struct {
	pending
	ref   persist.Ref
	entry *entry // pinned until it is
	to    persist.Hash
	until int64
}

func (p *seenOp) encode() persist.Op {
	return persist.Op{Kind: persist.OpSeen, Ref: p.ref, To: p.to, Until: p.until}
}

// settle lets the session go. Whatever the outcome, but a failure, the disk now has this end,
// a sooner one, or another token. A session that has yielded since may have been read again
// before the end was stored: then it is read once more.
func (p *seenOp) settle(c *core, _ *batch, o persist.Outcome) {
	if o.Status == persist.StatusFailed {
		c.failAll(&p.waiters, unavailable(o.Err))
		c.postpone(p, o.Err)
		return
	}
	if c.exclusive || c.hot.ByID(p.ref.ID) == p.entry {
		c.overwritten(p.ref.ID)
	} else {
		c.outdated(p.ref.ID)
	}
	c.hot.Unpin(p.entry)
	c.answerAll(&p.waiters, nil)
}

// fail has it tried again: to note an end twice does no harm.
func (p *seenOp) fail(c *core, _ *batch, err error, _ bool) bool {
	c.failAll(&p.waiters, err)
	return true
}
