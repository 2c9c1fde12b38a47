package demo

import (
	"sync"

	"github.com/sessile/sessile"
)

// hub passes messages about sessions to the pages that watch them. It starts no goroutine, and a
// publisher never waits for a watcher.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	names    map[sessile.ID]string // device names by session, until the session ends
}

// watcher is one open live page.
type watcher struct {
	id    sessile.ID
	user  string
	notes chan string
	why   chan string // receives once why the page's session ended
}

// notesKept is how many messages may wait for a slow page. Further ones are dropped. The page is
// still correct, because it rereads the session.
const notesKept = 16

// anyDevice names a device that sent no User-Agent or is no longer known.
const anyDevice = "A device"

func newHub() *hub {
	return &hub{watchers: make(map[*watcher]struct{}), names: make(map[sessile.ID]string)}
}

// watch registers a page. Call leave when the page is gone.
func (h *hub) watch(id sessile.ID, user string) *watcher {
	w := &watcher{id: id, user: user, notes: make(chan string, notesKept), why: make(chan string, 1)}
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

// name stores the device name of a session.
func (h *hub) name(id sessile.ID, device string) {
	if device == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names[id] = device
}

// device returns the device name of a session.
func (h *hub) device(id sessile.ID) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name := h.names[id]; name != "" {
		return name
	}
	return anyDevice
}

// end tells the pages of a session that it has ended. It tells the pages of the user's other
// sessions which device ended, and how.
func (h *hub) end(id sessile.ID, user, how string) {
	text := h.device(id) + " " + how + "."
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.names, id)
	for w := range h.watchers {
		switch {
		case w.id == id:
			offer(w.why, "This session "+how+".")
		case user != "" && w.user == user:
			offer(w.notes, text)
		}
	}
}

// toSession sends a message to the pages of one session.
func (h *hub) toSession(id sessile.ID, text string) {
	h.publish(text, func(w *watcher) bool { return w.id == id })
}

// toUser sends a message to the pages of all sessions of a user.
func (h *hub) toUser(user, text string) {
	h.publish(text, func(w *watcher) bool { return user != "" && w.user == user })
}

func (h *hub) publish(text string, concerns func(*watcher) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if concerns(w) {
			offer(w.notes, text)
		}
	}
}

// offer sends text unless the channel is full.
func offer(to chan string, text string) {
	select {
	case to <- text:
	default:
	}
}
