package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// touchCommand records an access.
type touchCommand struct {
	call
	id        persist.ID
	renew     bool // at the loop's time, by the session's own lifetime
	announced bool // the client hears of the session's new end
	at        int64
	expires   int64
}

// Touch records an access at the time at. Written behind; at three quarters of the
// bound of changes that wait it is dropped.
func (a *Actor) Touch(ctx context.Context, id persist.ID, at, expires int64) (*View, error) {
	x := fresh[touchCommand](&a.pools.touch)
	x.id, x.at, x.expires = id, at, expires
	return a.view(ctx, a.inbox, x)
}

// Access is Touch at the loop's time, with the session's own sliding lifetime. It is
// announced if the client hears of the session's new end.
func (a *Actor) Access(ctx context.Context, id persist.ID, announced bool) (*View, error) {
	x := fresh[touchCommand](&a.pools.touch)
	x.id, x.renew, x.announced = id, true, announced
	return a.view(ctx, a.inbox, x)
}

func (x *touchCommand) run(c *core) {
	if e := c.resident(&x.call, x.id); e != nil {
		x.with(c, e)
	}
}

// with drops the access where three quarters of the room for changes are taken: of all
// that waits for the disk it is worth the least, and a flood of touches must not keep
// logins out.
func (x *touchCommand) with(c *core, e *entry) {
	v := e.Value()
	if !v.ActiveAt(c.now) {
		c.fail(&x.call, ErrExpired)
		return
	}
	if (c.full || c.above(3, 4)) && c.dirty[x.id] == nil {
		c.stats.TouchesDropped++
		c.answer(&x.call, v)
		return
	}
	c.stats.Touches++
	if x.renew {
		x.at, x.expires = c.now, renewed(c.now, v.TTL)
	}
	if x.at = min(x.at, c.now); x.at >= v.LastActive {
		n := *v
		n.access(x.at, x.expires, x.announced)
		c.change(e, &n, false)
		v = &n
	}
	c.answer(&x.call, v)
}
