package demo

import (
	"sync"

	"github.com/sessile/sessile"
)

// hub passes notes about sessions to the pages that watch them. It is a leaf: it
// starts no goroutine, and a publisher never waits for a watcher.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

// watcher is one open live page.
type watcher struct {
	id    sessile.ID
	user  string
	notes chan string
}

// notesKept is how many notes wait for a slow page; what comes beyond is dropped.
// A page that missed a note still shows the truth, because it re-reads the session.
const notesKept = 16

func newHub() *hub { return &hub{watchers: make(map[*watcher]struct{})} }

// watch registers a page; leave must be called when it is gone.
func (h *hub) watch(id sessile.ID, user string) *watcher {
	w := &watcher{id: id, user: user, notes: make(chan string, notesKept)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[w] = struct{}{}
	return w
}

func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

// toSession notes something to the pages of one session.
func (h *hub) toSession(id sessile.ID, text string) {
	h.publish(text, func(w *watcher) bool { return w.id == id })
}

// toUser notes something to the pages of all of a user's sessions.
func (h *hub) toUser(user, text string) {
	h.publish(text, func(w *watcher) bool { return user != "" && w.user == user })
}

func (h *hub) publish(text string, concerns func(*watcher) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if !concerns(w) {
			continue
		}
		select {
		case w.notes <- text:
		default:
		}
	}
}
