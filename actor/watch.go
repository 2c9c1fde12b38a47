package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// watchCommand asks for the end of a session, as a websocket does that must not outlive it.
type watchCommand struct {
	sessionCall
	done chan struct{}
}

// Done returns the channel that is closed when the session ends in this process, or is locked
// out. The session stays in memory until ctx ends: an end that memory would not notice could not be told.
// Errors: persist.ErrNotFound, ErrExpired, ErrOverloaded, ErrClosed, the backend's, the
// context's.
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

// with counts the caller among those who watch the session, and answers with the channel that
// they share.
func (x *watchCommand) with(c *core, e *entry) {
	v := e.Value()
	if !v.ActiveAt(c.now) {
		c.fail(&x.call, ErrExpired)
		return
	}
	w := c.watched.byID[x.id]
	if w == nil {
		w = &watch{id: x.id, user: e.User(), key: v.Key, done: make(chan struct{})}
		c.watched.byID[x.id] = w
		c.watchEntry(w, e)
	}
	w.callers++
	x.done = w.done
	c.answer(&x.call, nil)
}

// unwatchCommand takes that back. done says which watch is meant: the session may have ended,
// and its ID may be watched no more.
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

// unreadCommand takes up to n watched sessions out of the queue of those that are to be read again.
// The goroutine that reads them sends it when the loop has woken it.
type unreadCommand struct {
	call
	n      int
	ids    []persist.ID // fewer than n: some that were queued have been read since
	queued int          // how many the queue has
	left   int          // and how many of those are to be read
}

func (x *unreadCommand) run(c *core) {
	x.ids = c.watched.take(x.n)
	x.queued, x.left = len(c.watched.queue), len(c.watched.unread)
	c.answer(&x.call, nil)
}
