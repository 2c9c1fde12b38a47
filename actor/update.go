package actor

import (
	"context"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// updateCommand changes keys of a session's data, or replaces all of it.
type updateCommand struct {
	sessionCall
	changes   []object.Change
	maxData   int
	doc       *object.Object // replaces the data, with the times below; nil: changes apply
	at        int64
	expires   int64
	durable   bool
	announced bool // the client hears of the session's new end
	quiet     bool // no access: the times stay
}

// Update applies changes to the data, in the order in which calls arrive, and counts as an
// access, announced like Access. The change is in memory when Update returns nil, and is
// written behind. If durable, or if others write too, it is on disk by then.
//
// Errors: persist.ErrNotFound, ErrExpired, ErrDataTooLarge beyond maxData bytes,
// persist.ErrCorrupt, ErrOverloaded, ErrClosed, the context's, the backend's if the session had
// to be read. If Update waits for the disk, also those of its batch, persist.ErrUnavailable and
// persist.ErrUnknown. The change then stays visible and its write is retried, also if the
// context ends. Where others write too it is not retried, and ErrConflict says that other nodes
// were first four times in a row.
func (a *Actor) Update(ctx context.Context, id persist.ID, l []object.Change, maxData int, durable, announced bool) (*View, error) {
	x := fresh[updateCommand](&a.pools.update)
	x.id, x.changes, x.maxData, x.durable, x.announced, x.grows = id, l, maxData, durable, announced, true
	return a.view(ctx, a.growth, x)
}

// Amend is Update, not durable, that does not count as an access: the times stay.
func (a *Actor) Amend(ctx context.Context, id persist.ID, l []object.Change, maxData int) error {
	x := fresh[updateCommand](&a.pools.update)
	x.id, x.changes, x.maxData, x.quiet, x.grows = id, l, maxData, true, true
	_, err := a.view(ctx, a.growth, x)
	return err
}

// Flush replaces the data and the times. It is written like an Update. Its errors are those of
// Update, but for the two about the data.
func (a *Actor) Flush(ctx context.Context, id persist.ID, doc *object.Object, at, expires int64, durable bool) error {
	x := fresh[updateCommand](&a.pools.update)
	x.id, x.doc, x.at, x.expires, x.durable, x.grows = id, doc, at, expires, durable, true
	_, err := a.view(ctx, a.growth, x)
	return err
}

// with applies the changes to what the command before has left, not to what the caller has
// read: parallel requests of one session keep each other's keys.
func (x *updateCommand) with(c *core, e *entry) {
	v := e.Value()
	if !v.ActiveAt(c.now) {
		c.fail(&x.call, ErrExpired)
		return
	}
	n := *v
	if n.Doc = x.doc; x.doc == nil {
		doc, err := v.Doc.With(x.changes)
		if err != nil {
			c.fail(&x.call, persist.ErrCorrupt)
			return
		}
		if doc.Len() > x.maxData && doc.Len() >= v.Doc.Len() { // what is too much already may shrink
			c.fail(&x.call, ErrDataTooLarge)
			return
		}
		n.Doc, x.at, x.expires = doc, c.now, renewed(c.now, v.TTL)
	}
	if !x.quiet {
		n.access(min(x.at, c.now), x.expires, x.announced)
	}
	n.Version = c.mint(v.Version)
	c.stats.Flushes++
	c.acknowledge(&x.call, c.change(e, &n, true), &n, x.durable)
}

// touchCommand records an access. It is the most frequent command and the cheapest to lose: a
// client comes back, and is noted then.
type touchCommand struct {
	sessionCall
	renew     bool // at the loop's time, by the session's own lifetime
	announced bool // the client hears of the session's new end
	at        int64
	expires   int64
}

// Touch records an access at the time at. It is written behind. At three quarters of the
// bound of changes that wait it is dropped, without an error. Errors: persist.ErrNotFound,
// ErrExpired, ErrOverloaded, ErrClosed, the backend's, the context's.
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

// with drops the access where three quarters of the limit on pending changes are used: of all that
// waits for the disk it is worth the least, and a flood of touches must not keep logins out.
// A session that waits for the disk anyway takes no more room with it. An access from before
// the last one changes nothing.
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
