package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// The interval of keep-alive comments, the timeout of one write, and how long the stream waits for
// the event that says why its session ended.
const (
	heartbeat     = 15 * time.Second
	writeTimeout  = 10 * time.Second
	eventPatience = time.Second
)

// snapshot is the session as the live page shows it.
type snapshot struct {
	Count      int       `json:"count"`
	Cart       int       `json:"cart"`
	Devices    int       `json:"devices"`
	IdleLeftMS int64     `json:"idle_left_ms"`
	ExpiresAt  time.Time `json:"-"`
}

type liveBody struct {
	Now      time.Time
	Snapshot snapshot
}

func (a *App) live(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	s, _ := h.Current()
	shot, err := a.snapshot(r.Context(), s.ID(), s.UserID())
	if err != nil {
		return err
	}
	return a.show(w, r, h, "live", "Live", liveBody{a.store.Now(), shot})
}

// snapshot reads the current session. A read is not an access: it does not renew the idle timeout.
func (a *App) snapshot(ctx context.Context, id sessile.ID, user string) (snapshot, error) {
	s, err := a.store.Read(ctx, id)
	if err != nil {
		return snapshot{}, err
	}
	all, err := a.store.ListForUser(ctx, user)
	if err != nil {
		return snapshot{}, err
	}
	shot := snapshot{Devices: len(all), ExpiresAt: s.ExpiresAt(), IdleLeftMS: s.ExpiresAt().Sub(a.store.Now()).Milliseconds()}
	if shot.Count, _, err = sessile.Get[int](s, keyCount); err != nil {
		return snapshot{}, err
	}
	c, err := readCart(func(key string) (int, bool, error) { return sessile.Get[int](s, key) })
	shot.Cart = c.count()
	return shot, err
}

// stream sends what happens to the session as server-sent events, until the session, the client or
// the server ends. It follows the session ID, so a rotation does not interrupt it. It waits on Done,
// so a logout anywhere ends it without a request.
func (a *App) stream(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	s, _ := h.Current()
	ctx := r.Context()
	watcher := a.hub.watch(s.ID(), s.UserID()) // before the first snapshot, so that no event is missed
	defer a.hub.leave(watcher)
	a.nameDevices(ctx, s.UserID())
	ended := a.store.Done(ctx, s.ID())

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := &events{w: w, control: http.NewResponseController(w)}
	out.snapshot(a.snapshot(ctx, s.ID(), s.UserID()))
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for out.err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-a.leaving:
			return nil // the browser reconnects, to the next server
		case <-ended:
			out.send("end", map[string]string{"text": a.whyEnded(ctx, watcher)})
			return nil
		case text := <-watcher.notes:
			out.send("note", map[string]string{"text": text})
			out.snapshot(a.snapshot(ctx, s.ID(), s.UserID()))
		case <-beat.C:
			out.snapshot(a.snapshot(ctx, s.ID(), s.UserID()))
		}
	}
	return nil // the client has disconnected
}

// nameDevices looks up the names of a user's devices while their sessions exist.
func (a *App) nameDevices(ctx context.Context, user string) {
	all, err := a.store.ListForUser(ctx, user)
	if err != nil {
		return // the events then say "A device"
	}
	for _, s := range all {
		a.hub.name(s.ID(), s.DeviceName())
	}
}

// whyEnded returns why the page's session ended. The event with the reason comes after Done, or not
// at all: an expired session stays in the store until the next clean-up.
func (a *App) whyEnded(ctx context.Context, w *watcher) string {
	if s, err := a.store.Read(ctx, w.id); err == nil && !a.store.Now().Before(s.ExpiresAt()) {
		return "This session " + endings[sessile.EventExpired] + "."
	}
	patience := time.NewTimer(eventPatience)
	defer patience.Stop()
	select {
	case why := <-w.why:
		return why
	case <-patience.C:
	case <-ctx.Done():
	}
	return "This session has ended."
}

// events writes server-sent events and remembers the first failure.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (e *events) send(name string, data any) {
	if e.err != nil {
		return
	}
	raw, err := json.Marshal(data)
	if err != nil {
		e.err = err
		return
	}
	// The server's write timeout is meant for pages. A stream gets one per event.
	if e.err = e.control.SetWriteDeadline(time.Now().Add(writeTimeout)); e.err != nil {
		return
	}
	if _, e.err = fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", name, raw); e.err == nil {
		e.err = e.control.Flush()
	}
}

// snapshot sends a snapshot, unless reading it failed. In that case the session has ended, which
// Done reports, or the store has failed, and the next snapshot may succeed.
func (e *events) snapshot(s snapshot, err error) {
	if err == nil {
		e.send("snapshot", s)
	}
}
