package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// watchCommand asks for the end of a session.
type watchCommand struct {
	call
	id   persist.ID
	done chan struct{}
}

// Done returns the channel that is closed when the session ends in this process.
// The session stays in memory until ctx ends.
func (a *Actor) Done(ctx context.Context, id persist.ID) (<-chan struct{}, error) {
	x := fresh[watchCommand](&a.pools.watch)
	x.id = id
	err := a.call(ctx, a.inbox, x)
	done := x.done
	x.recycle()
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { a.unwatch(id, done) })
	return done, nil
}

func (x *watchCommand) run(c *core) {
	if e := c.resident(&x.call, x.id); e != nil {
		x.with(c, e)
	}
}

func (x *watchCommand) with(c *core, e *entry) {
	v := e.Value()
	if !v.ActiveAt(c.now) {
		c.fail(&x.call, ErrExpired)
		return
	}
	w := c.watched.byID[x.id]
	if w == nil {
		w = &watch{entry: e, done: make(chan struct{})}
		c.hot.Pin(e)
		c.watched.byID[x.id] = w
		c.watched.ends.set(w, v.end())
	}
	w.callers++
	x.done = w.done
	c.fail(&x.call, nil)
}

// unwatchCommand takes that back.
type unwatchCommand struct {
	call
	id   persist.ID
	done chan struct{}
}

func (a *Actor) unwatch(id persist.ID, done chan struct{}) {
	x := fresh[unwatchCommand](&a.pools.unwatch)
	x.id, x.done = id, done
	_, _ = a.view(context.Background(), a.inbox, x) // after Close there is nothing to take back
}

func (x *unwatchCommand) run(c *core) {
	if w := c.watched.byID[x.id]; w != nil && w.done == x.done {
		if w.callers--; w.callers == 0 {
			c.unwatch(x.id, w)
		}
	}
	c.fail(&x.call, nil)
}

// watch is the interest of callers in the end of a session.
type watch struct {
	moment  // not after its end: where that is later, the watch is moved when its time has come
	entry   *entry
	done    chan struct{}
	callers int
}

// watchlist holds the sessions that are watched, by their ends.
type watchlist struct {
	byID map[persist.ID]*watch
	ends agenda[*watch]
}

func newWatchlist() watchlist { return watchlist{byID: make(map[persist.ID]*watch)} }

// changed notes that a session may end earlier than was known.
func (l *watchlist) changed(v *View) {
	if w := l.byID[v.ID]; w != nil && v.end() < w.at {
		l.ends.set(w, v.end())
	}
}

func (c *core) unwatch(id persist.ID, w *watch) {
	delete(c.watched.byID, id)
	c.watched.ends.remove(w)
	c.hot.Unpin(w.entry)
}

// endWatch tells everyone who waits for the end of a session.
func (c *core) endWatch(id persist.ID) {
	if w := c.watched.byID[id]; w != nil {
		c.out.ended = append(c.out.ended, w.done)
		c.unwatch(id, w)
	}
}

// expireWatched ends watched sessions whose time has come, a slice of them.
func (c *core) expireWatched() {
	for n := 0; n < sliceSize && c.watched.ends.due(c.now); n++ {
		w := c.watched.ends[0]
		if end := w.entry.Value().end(); c.now < end {
			c.watched.ends.set(w, end)
			continue
		}
		c.endWatch(w.entry.ID())
	}
}
