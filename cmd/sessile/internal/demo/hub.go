package demo

import (
	"sync"

	"github.com/sessile/sessile"
)

// hub passes notes about sessions to the pages that watch them. It starts no
// goroutine, and a publisher never waits for a watcher.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	names    map[sessile.ID]string // of the devices of users' sessions, until they end
}

// watcher is one open live page.
type watcher struct {
	id    sessile.ID
	user  string
	notes chan string
	why   chan string // why the page's own session has ended, once
}

// notesKept is how many notes wait for a slow page; what comes beyond is dropped.
// A page that missed a note still shows the truth, because it re-reads the session.
const notesKept = 16

// anyDevice names a device that sent no User-Agent, or that is not known any more.
const anyDevice = "A device"

func newHub() *hub {
	return &hub{watchers: make(map[*watcher]struct{}), names: make(map[sessile.ID]string)}
}

// watch registers a page; leave must be called when it is gone.
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

// name notes what the device of a session is called.
func (h *hub) name(id sessile.ID, device string) {
	if device == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names[id] = device
}

// device is what the device of a session is called.
func (h *hub) device(id sessile.ID) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name := h.names[id]; name != "" {
		return name
	}
	return anyDevice
}

// end tells the pages of a session that it has ended, and those of the user's
// other sessions which device it was, and how.
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
