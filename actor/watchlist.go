package actor

import (
	"slices"

	"github.com/sessile/sessile/internal/agenda"
	"github.com/sessile/sessile/persist"
)

// watch is the interest of callers in the end of a session. Callers of one session share it,
// and its channel. Its place among the ends is not moved with every access: an end that has
// moved is noticed when the old one comes.
type watch struct {
	agenda.Moment // not after its end: where that is later, the watch is moved when its time has come
	id            persist.ID
	user          string
	key           int64  // of its row
	entry         *entry // pinned; nil after a reset, until it is read again
	done          chan struct{}
	callers       int
	asked         bool // its end has come, and it was read again: another node may have renewed it
	queued        bool // in watchlist.queue
}

// watchlist holds the sessions that are watched, by their ends. So a step looks at one of
// them, though 55,000 websockets may wait: to walk over them once cost 2.3 ms a step.
type watchlist struct {
	byID   map[persist.ID]*watch
	unread map[persist.ID]*watch // those without an entry
	queue  []*watch              // these, in the order in which they are read, and others that have been
	byEnd  agenda.Agenda[*watch]
}

// setUnread has a watched session read again.
func (l *watchlist) setUnread(w *watch) {
	l.unread[w.id] = w
	if !w.queued {
		w.queued = true
		l.queue = append(l.queue, w)
	}
}

// take takes the first n out of the queue, and returns those that are to be read. They go to its end,
// because a read may fail.
func (l *watchlist) take(n int) (ids []persist.ID) {
	first := l.queue[:min(n, len(l.queue))]
	l.queue = l.queue[len(first):]
	for _, w := range first {
		if w.queued = l.unread[w.id] == w; w.queued {
			ids = append(ids, w.id)
			l.queue = append(l.queue, w)
		}
	}
	return ids
}

// changed notes that a session may end earlier than was known. A later end needs no note; see
// watch.
func (l *watchlist) changed(v *View) {
	if w := l.byID[v.ID]; w != nil && v.end() < w.At {
		l.byEnd.Set(w, v.end())
	}
}

// watchEntry keeps the session in memory for those who watch it. An entry that leaves cannot
// be kept, and is read again first.
func (c *core) watchEntry(w *watch, e *entry) {
	c.watched.byEnd.Set(w, e.Value().end())
	if e.Leaving() {
		c.watched.setUnread(w)
		c.out.reread = true
		return
	}
	delete(c.watched.unread, w.id)
	c.hot.Pin(e)
	w.entry, w.asked = e, w.asked && !e.Value().ActiveAt(c.now)
}

// rereadWatched has watched sessions read again: nobody else may ask for them, and who
// watches one that is gone waits for its end.
func (c *core) rereadWatched() {
	c.out.reread = len(c.watched.unread) > 0
	c.begin(forEach(slices.Clone([]*watch(c.watched.byEnd)), func(c *core, w *watch) {
		if w.entry != nil {
			c.rereadOne(w)
		}
	}))
}

// rereadOne has one watched session read again.
func (c *core) rereadOne(w *watch) {
	if w.entry != nil {
		c.hot.Unpin(w.entry)
		w.entry = nil
	}
	c.watched.setUnread(w)
	c.out.reread = true
}

// endUnread is a chore that tells those who watch sessions that memory does not have, of those that
// a log-out means.
func (c *core) endUnread(reason string, meant func(w *watch) bool) chore {
	return forEach(slices.Clone(c.watched.queue), func(c *core, w *watch) {
		if meant(w) && c.watched.unread[w.id] == w {
			c.recordEnd(w.id, persist.Hash{}, reason)
			c.endWatch(w.id)
		}
	})
}

// unwatch forgets a watch, and lets its session be evicted.
func (c *core) unwatch(id persist.ID, w *watch) {
	delete(c.watched.byID, id)
	delete(c.watched.unread, id)
	c.watched.byEnd.Remove(w)
	if w.entry != nil {
		c.hot.Unpin(w.entry)
		w.entry = nil
	}
}

// expireWatched ends watched sessions whose time has come, a slice of them: thousands may end
// at once, and the next step does the others. Where others write too, they are read again first.
func (c *core) expireWatched() {
	for n := 0; n < sliceSize && c.watched.byEnd.Due(c.now); n++ {
		w := c.watched.byEnd[0]
		if end := c.endOf(w); c.now < end {
			c.watched.byEnd.Set(w, end)
			continue
		}
		if !c.exclusive && !w.asked {
			w.asked = true
			c.rereadOne(w)
			c.watched.byEnd.Set(w, c.now+retryMost.Microseconds())
			continue
		}
		if w.entry != nil {
			c.recordEnd(w.id, w.entry.Key(), w.entry.Value().Expiry(c.now))
		}
		c.endWatch(w.id)
	}
}

// endOf is when a watched session ends. Where memory does not know, it is read again, and
// looked for a second later.
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
