package actor

import (
	"context"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// updateCommand changes keys of a session's data.
type updateCommand struct {
	call
	id        persist.ID
	changes   []object.Change
	maxData   int
	durable   bool
	announced bool // the client hears of the session's new end
}

// Update applies changes to the data, in the order in which calls arrive, and
// counts as an access, announced like Access. Written behind, unless durable: then it is on disk when Update
// returns. Errors: persist.ErrNotFound, ErrExpired, ErrDataTooLarge beyond maxData bytes,
// persist.ErrCorrupt, ErrOverloaded, ErrClosed, the context's.
func (a *Actor) Update(ctx context.Context, id persist.ID, l []object.Change, maxData int, durable, announced bool) (*View, error) {
	x := fresh[updateCommand](&a.pools.update)
	x.id, x.changes, x.maxData, x.durable, x.announced, x.grows = id, l, maxData, durable, announced, true
	return a.view(ctx, a.growth, x)
}

func (x *updateCommand) run(c *core) {
	if e := c.resident(&x.call, x.id); e != nil {
		x.with(c, e)
	}
}

// with applies the changes in the order in which commands arrive, so that parallel
// requests of one session keep each other's keys.
func (x *updateCommand) with(c *core, e *entry) {
	v := e.Value()
	if !v.ActiveAt(c.now) {
		c.fail(&x.call, ErrExpired)
		return
	}
	doc, err := v.Doc.With(x.changes)
	if err != nil {
		c.fail(&x.call, persist.ErrCorrupt)
		return
	}
	if doc.Len() > x.maxData && doc.Len() >= v.Doc.Len() { // what is too much already may shrink
		c.fail(&x.call, ErrDataTooLarge)
		return
	}
	n := *v
	n.access(c.now, renewed(c.now, v.TTL), x.announced)
	n.Doc, n.Version = doc, c.mint(v.Version)
	c.stats.Flushes++
	c.acknowledge(&x.call, c.change(e, &n, true), &n, x.durable)
}

// flushCommand replaces a session's data.
type flushCommand struct {
	call
	id      persist.ID
	doc     *object.Object
	at      int64
	expires int64
	durable bool
}

// Flush replaces the data and the times. Written behind, unless durable.
func (a *Actor) Flush(ctx context.Context, id persist.ID, doc *object.Object, at, expires int64, durable bool) error {
	x := fresh[flushCommand](&a.pools.flush)
	x.id, x.doc, x.at, x.expires, x.durable, x.grows = id, doc, at, expires, durable, true
	_, err := a.view(ctx, a.growth, x)
	return err
}

func (x *flushCommand) run(c *core) {
	if e := c.resident(&x.call, x.id); e != nil {
		x.with(c, e)
	}
}

func (x *flushCommand) with(c *core, e *entry) {
	v := e.Value()
	if !v.ActiveAt(c.now) {
		c.fail(&x.call, ErrExpired)
		return
	}
	n := *v
	n.access(min(x.at, c.now), x.expires, false)
	n.Doc, n.Version = x.doc, c.mint(v.Version)
	c.stats.Flushes++
	c.acknowledge(&x.call, c.change(e, &n, true), &n, x.durable)
}
