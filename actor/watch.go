package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// watchCommand asks for the end of a session.
type watchCommand struct {
	sessionCall
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

func (x *watchCommand) with(c *core, e *entry) {
	v := e.Value()
	if !v.ActiveAt(c.now) {
		c.fail(&x.call, ErrExpired)
		return
	}
	w := c.watched.byID[x.id]
	if w == nil {
		w = &watch{id: x.id, user: e.User(), done: make(chan struct{})}
		c.watched.byID[x.id] = w
		c.watchEntry(w, e)
	}
	w.callers++
	x.done = w.done
	c.answer(&x.call, nil)
}

// unwatchCommand takes that back.
type unwatchCommand struct {
	call
	id   persist.ID
	done chan struct{}
}

func (a *Actor) unwatch(id persist.ID, done chan struct{}) {
	x := fresh[unwatchCommand](&a.pools.unwatch)
	x.passive = true
	x.id, x.done = id, done
	_, _ = a.view(context.Background(), a.inbox, x) // after Close there is nothing to take back
}

func (x *unwatchCommand) run(c *core) {
	if w := c.watched.byID[x.id]; w != nil && w.done == x.done {
		if w.callers--; w.callers == 0 {
			c.unwatch(x.id, w)
		}
	}
	c.answer(&x.call, nil)
}

// watch is the interest of callers in the end of a session.
type watch struct {
	moment  // not after its end: where that is later, the watch is moved when its time has come
	id      persist.ID
	user    string
	entry   *entry // pinned; nil after a reset, until it is read again
	done    chan struct{}
	callers int
}

// watchEntry keeps the session in memory for those who watch it. One that leaves is read
// again first.
func (c *core) watchEntry(w *watch, e *entry) {
	c.watched.byEnd.set(w, e.Value().end())
	if e.Leaving() {
		c.watched.unread[w.id] = w
		c.out.reread = true
		return
	}
	delete(c.watched.unread, w.id)
	c.hot.Pin(e)
	w.entry = e
}

// rereadWatched has watched sessions read again: nobody else may ask for them, and who
// watches one that is gone waits for its end.
func (c *core) rereadWatched() {
	for id, w := range c.watched.byID {
		if w.entry != nil {
			c.hot.Unpin(w.entry)
			w.entry = nil
			c.watched.unread[id] = w
		}
	}
	c.out.reread = len(c.watched.unread) > 0
}

// endUnread tells those who watch sessions of a user that memory does not have.
func (c *core) endUnread(user string, except persist.ID) {
	for id, w := range c.watched.unread {
		if w.user == user && id != except {
			c.endWatch(id)
		}
	}
}

// unreadCommand asks which watched sessions are yet to be read again.
type unreadCommand struct {
	call
	ids []persist.ID
}

func (x *unreadCommand) run(c *core) {
	for id := range c.watched.unread {
		x.ids = append(x.ids, id)
	}
	c.answer(&x.call, nil)
}

// watchlist holds the sessions that are watched, by their ends.
type watchlist struct {
	byID   map[persist.ID]*watch
	unread map[persist.ID]*watch // those without an entry
	byEnd  agenda[*watch]
}

// changed notes that a session may end earlier than was known.
func (l *watchlist) changed(v *View) {
	if w := l.byID[v.ID]; w != nil && v.end() < w.at {
		l.byEnd.set(w, v.end())
	}
}

func (c *core) unwatch(id persist.ID, w *watch) {
	delete(c.watched.byID, id)
	delete(c.watched.unread, id)
	c.watched.byEnd.remove(w)
	if w.entry != nil {
		c.hot.Unpin(w.entry)
	}
}

// expireWatched ends watched sessions whose time has come, a slice of them.
func (c *core) expireWatched() {
	for n := 0; n < sliceSize && c.watched.byEnd.due(c.now); n++ {
		w := c.watched.byEnd[0]
		if end := c.endOf(w); c.now < end {
			c.watched.byEnd.set(w, end)
			continue
		}
		c.endWatch(w.id)
	}
}

// endOf is when a watched session ends. It is looked for later where memory does not know.
func (c *core) endOf(w *watch) int64 {
	e := w.entry
	if e == nil {
		e = c.hot.ByID(w.id) // on its way out, with what is not on disk
	}
	if e == nil {
		c.out.reread = true
		return c.now + retryMost.Microseconds()
	}
	return e.Value().end()
}
