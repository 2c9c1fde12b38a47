package middleware

import (
	"errors"
	"net/http"

	"github.com/sessile/sessile"
)

// A committed response may still never reach the client. An http.TimeoutHandler around the
// middleware buffers it until the handler returns, and answers by itself when the time is up. Then
// nobody has the token of a session that the request created.

// timedOut reports, at the end of the request, whether an http.TimeoutHandler has answered in its
// place. Only a write shows that. But a write would begin the response of a handler that wrote
// nothing. So timedOut does not write to a writer that can flush then; TimeoutHandler's cannot.
func (w *responseWriter) timedOut() bool {
	if w.failed != nil || w.handle.req.Context().Err() == nil {
		return false
	}
	end := innermost(w.ResponseWriter)
	if _, ok := end.(http.Flusher); ok && !w.written {
		return false
	}
	_, err := end.Write(nil)
	return errors.Is(err, http.ErrHandlerTimeout)
}

// innermost follows Unwrap to its end.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// undelivered destroys the session that this request created, because the response with its token
// reaches nobody.
func (h *Handle) undelivered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.presence != issued {
		return
	}
	_ = h.m.store.Destroy(h.m.deadline.next(), h.cur.id(), sessile.EndTokenLost) // nobody has its token; the store retries and logs failures
	h.end()
}
