package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// seenCommand notes that a new token has come back.
type seenCommand struct {
	sessionCall
	current persist.Hash
	until   int64
}

// Seen notes that the token with hash current has been presented: the grace of
// its predecessor ends at until. Written behind.
func (a *Actor) Seen(ctx context.Context, id persist.ID, current persist.Hash, until int64) error {
	x := fresh[seenCommand](&a.pools.seen)
	x.id, x.current, x.until = id, current, until
	_, err := a.view(ctx, a.inbox, x)
	return err
}

func (x *seenCommand) with(c *core, e *entry) {
	v := e.Value()
	if v.Rotation == nil || v.Until <= x.until || e.Key() != x.current || c.full { // the next read notes it again
		c.answer(&x.call, v)
		return
	}
	n, r := *v, *v.Rotation
	r.Until = x.until
	n.Rotation = &r
	c.hot.Put(e, &n, n.cost())
	c.hot.Pin(e) // memory alone knows it until it is on disk
	p := &seenOp{ref: v.Ref(), entry: e, to: x.current, until: x.until}
	p.background = true
	c.accept(p)
	c.answer(&x.call, &n)
}

// seenOp is the end of a grace that is not on disk yet.
type seenOp struct {
	pending
	ref   persist.Ref
	entry *entry // pinned until it is
	to    persist.Hash
	until int64
}

func (p *seenOp) encode() persist.Op {
	return persist.Op{Kind: persist.Seen, Ref: p.ref, To: p.to, Until: p.until}
}

func (p *seenOp) settle(c *core, _ *batch, o persist.Outcome) {
	if o.Status == persist.Failed {
		c.postpone(p, o.Err)
		return
	}
	c.overwritten(p.ref.ID)
	c.hot.Unpin(p.entry)
}

func (*seenOp) fail(*core, *batch, error, bool) bool { return true }
