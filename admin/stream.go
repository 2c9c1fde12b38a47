package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Bounds of the event streams.
const (
	maxStreams   = 64               // open at the same time
	statsEvery   = time.Second      // between two snapshots
	reauthorize  = 10 * time.Second // between two questions whether the client is still an administrator
	writeTimeout = 10 * time.Second // of one event, to a client that does not read
	chunk        = 64               // events that are copied from the feed at once
)

// getEvents streams server-sent events until the client leaves or loses its right, or Options.Closing
// is closed:
//
//	stats    a snapshot, every second
//	event    an event of the store; its id is its number
//	dropped  how many events this client missed because it was too slow
//	end      the client has lost its right, with the reason
//
// A client that reconnects with the header Last-Event-ID gets the events that it missed, if they are
// still kept. The parameter from names the first event instead.
func (h *handler) getEvents(w http.ResponseWriter, r *http.Request) error {
	return h.serveStream(w, r, func(out *stream) { out.send("stats", h.snapshot(r)) })
}

// serveStream sends events of the store, and every second what tick sends.
func (h *handler) serveStream(w http.ResponseWriter, r *http.Request, tick func(*stream)) error {
	after, err := h.startingAt(r)
	if err != nil || r.Method == http.MethodHead {
		return err
	}
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		return &refusal{http.StatusServiceUnavailable, fmt.Sprintf("Too many event streams are open (limit %d).", maxStreams)}
	}
	out, err := newStream(w)
	if err != nil {
		return err
	}
	h.follow(out, r, after, tick)
	return nil // the client has disconnected
}

// startingAt returns the number of the first event of a stream.
func (h *handler) startingAt(r *http.Request) (uint64, error) {
	now := h.options.Feed.position()
	text, next := r.URL.Query().Get("from"), uint64(0)
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		text, next = last, 1
	}
	if text == "" {
		return now, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, badRequest("The number of an event is not a number.")
	}
	return min(n+next, now), nil // a greater one is from before a restart
}

func (h *handler) follow(out *stream, r *http.Request, after uint64, tick func(*stream)) {
	every, ask := time.NewTicker(statsEvery), time.NewTicker(reauthorize)
	defer every.Stop()
	defer ask.Stop()
	tick(out)
	for out.err == nil {
		events, dropped, changed := h.options.Feed.since(after, chunk)
		if dropped > 0 {
			out.send("dropped", map[string]uint64{"count": dropped})
		}
		after += dropped
		for _, e := range events {
			out.numbered(after, e)
			after++
		}
		if len(events) == chunk {
			changed = closed()
		}
		select {
		case <-changed:
		case <-every.C:
			tick(out)
		case <-ask.C:
			if h.authorize(r) != nil {
				out.send("end", map[string]string{"reason": "You may no longer administer this store."})
				return
			}
		case <-h.options.Closing: // the client reconnects, to the next server
			return
		case <-r.Context().Done():
			return
		}
	}
}

// closed returns a closed channel.
func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// stream writes server-sent events and keeps the first failure.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func newStream(w http.ResponseWriter) (*stream, error) {
	s := &stream{w: w, control: http.NewResponseController(w)}
	// The server's timeouts are meant for short requests. A stream has one for each event.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("starting the event stream: %w", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx passes events on at once
	return s, nil
}

func (s *stream) send(name string, data any) { s.write("event: "+name+"\n", data) }

// numbered sends an event of the store with its number.
func (s *stream) numbered(n uint64, data any) {
	s.write("id: "+strconv.FormatUint(n, 10)+"\nevent: event\n", data)
}

func (s *stream) write(head string, data any) {
	if s.err != nil {
		return
	}
	raw, err := encode(data)
	if err != nil {
		s.err = err
		return
	}
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.err = err
		return
	}
	if _, s.err = fmt.Fprintf(s.w, "%sdata: %s\n\n", head, raw); s.err == nil { //nolint:gosec // G705: JSON in an event stream
		s.err = s.control.Flush()
	}
}
