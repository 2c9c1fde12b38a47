package actor

import (
	"context"
	"errors"

	"github.com/sessile/sessile/persist"
)

// expireCommand deletes sessions that the disk has as expired. Each is an operation of its
// own: the backend looks at each row once more, because an access may have come between.
type expireCommand struct {
	call
	refs   []persist.Ref
	open   int           // operations that are not settled
	n      int           // sessions deleted
	active []persist.Ref // sessions that are active by what is on disk
	fault  error         // the first one
	others uint64        // bulk.others when it began
	alone  bool          // nobody else has waited for the disk since
}

// expire deletes those of refs that are over, and returns how many were, and whether nobody
// else has waited for the disk meanwhile. Those that turn out to be active have times in the
// future: they are read, so that these are taken back.
func (a *Actor) expire(ctx context.Context, refs []persist.Ref) (n int, alone bool, err error) {
	if len(refs) == 0 {
		return 0, false, nil
	}
	x := fresh[expireCommand](&a.pools.expire)
	x.passive = true
	x.refs = refs
	err = a.call(ctx, a.inbox, x)
	n, alone = x.n, x.alone
	active := x.active
	x.recycle()
	if err != nil || len(active) == 0 {
		return n, alone, err
	}
	for _, ref := range active {
		if _, err := a.Read(ctx, ref.ID); err != nil && !errors.Is(err, persist.ErrNotFound) && !errors.Is(err, persist.ErrCorrupt) {
			return n, alone, err
		}
	}
	return n, alone, a.Sync(ctx) // what was taken back waits for the disk: no more of it than a chunk
}

// run queues the deletion of those that memory does not know to be active, or to be over
// already. They are bulk: others come first.
func (x *expireCommand) run(c *core) {
	x.others = c.bulk.others
	for _, ref := range x.refs {
		if c.tombstones.sessions[ref.ID] != nil {
			continue
		}
		if e := c.hot.ByID(ref.ID); e != nil && e.Value().ActiveAt(c.now) {
			continue // an extension may be on its way to the disk
		}
		x.open++
		p := &expireOp{ref: ref, command: x}
		if !c.exclusive {
			p.grace = c.cfg.ExpiryGrace.Microseconds()
		}
		p.bulk = 1
		c.accept(p)
	}
	if x.open == 0 {
		c.answer(&x.call, nil)
	}
}

// expireOp is one deletion of an expireCommand. It is not retried: the next sweep finds what
// is left.
type expireOp struct {
	pending
	ref     persist.Ref
	command *expireCommand
	grace   int64
}

func (p *expireOp) encode() persist.Op {
	return persist.Op{Kind: persist.OpExpire, Ref: p.ref, Grace: p.grace}
}

// settle counts what was deleted. Conflict says that the row is active: its times lie in the
// future, or the backend's clock is behind.
func (p *expireOp) settle(c *core, _ *batch, o persist.Outcome) {
	for _, x := range o.Removed {
		reason := ReasonExpired
		if e := c.hot.ByID(x.ID); e != nil {
			reason = e.Value().Expiry(c.now)
		}
		c.endedOnDisk(x, Event{Kind: EventExpired, Reason: reason})
		c.stats.Expired++
	}
	if o.Status == persist.StatusConflict && !p.command.answered {
		p.command.active = append(p.command.active, p.ref)
	}
	p.done(c, len(o.Removed), o.Err)
}

func (p *expireOp) fail(c *core, _ *batch, err error, _ bool) bool {
	p.done(c, 0, err)
	return false
}

// surrender answers the command rather than waiters: there are none, because one caller waits
// for all of its operations.
func (p *expireOp) surrender(c *core) { c.fail(&p.command.call, ErrClosed) }

// done counts a deletion as settled; the last one answers. A caller who has left looks at
// the results as they were then: they do not change any more.
func (p *expireOp) done(c *core, n int, err error) {
	x := p.command
	if !x.answered {
		x.n += n
		x.alone = c.bulk.others == x.others
	}
	if x.fault == nil {
		x.fault = err
	}
	if x.open--; x.open == 0 {
		c.reply(&x.call, x.fault)
	}
}
