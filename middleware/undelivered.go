package middleware

import (
	"errors"
	"net/http"
)

// A response that has been committed may still never reach the client: around the
// middleware, http.TimeoutHandler keeps it in memory until the handler returns, and
// answers by itself when the time is up. Then nobody has the token of a session that
// was created in the request.

// timedOut reports, at the end of the request, whether an http.TimeoutHandler has
// answered in its place. Only a write tells. It would begin the response of a handler
// that wrote nothing; so a writer that can flush, as that of TimeoutHandler cannot, is
// not asked then.
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

// innermost is where Unwrap ends.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// undelivered destroys the session that was created in this request: the response
// with its token reaches nobody.
func (h *Handle) undelivered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.presence != issued {
		return
	}
	_ = h.m.store.Destroy(h.m.deadline.next(), h.cur.id()) // nobody can use it; the store retries and reports
	h.end()
}
