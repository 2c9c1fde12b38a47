package middleware

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
)

// responseWriter commits the session when the response begins. wrap adds its optional interfaces.
type responseWriter struct {
	http.ResponseWriter
	handle   *Handle
	encoding *[]string // the Content-Encoding from before the handler, or nil
	begun    bool
	written  bool // the handler wrote a header or a body
	// removesOld: the response removes the cookie of another library, whose session has moved.
	removesOld bool
	failed     error // why the commit failed; the response is the error handler's
}

// begin commits once. If the commit fails, the error handler writes the response, and what the
// handler writes is dropped.
func (w *responseWriter) begin() error {
	if w.begun {
		return w.failed
	}
	w.begun = true
	if w.removesOld {
		w.handle.m.removeOld(w.Header(), w.handle.req)
	}
	if err := w.handle.commit(w.Header()); err != nil {
		w.failed = err
		w.handle.m.fail(w.ResponseWriter, w.handle.req, err, w.encoding)
	}
	return w.failed
}

// finish commits the session of a handler that wrote nothing.
func (w *responseWriter) finish() { _ = w.begin() } // the error handler has answered

// WriteHeader commits and sends the header. Informational responses come earlier and commit
// nothing.
func (w *responseWriter) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.begin() == nil {
		w.written = true
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write commits before the first byte.
func (w *responseWriter) Write(b []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	w.written = true
	return w.ResponseWriter.Write(b)
}

// WriteString commits before the first byte.
func (w *responseWriter) WriteString(s string) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	w.written = true
	return io.WriteString(w.ResponseWriter, s)
}

// Unwrap gives http.ResponseController the inner writer.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError commits and flushes. It exists even if the inner writer only leads to a Flusher,
// because otherwise http.ResponseController would bypass us and send the headers without the
// session's.
func (w *responseWriter) FlushError() error {
	if !flushes(w.ResponseWriter) {
		return http.ErrNotSupported
	}
	if err := w.begin(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// flushes reports whether http.ResponseController can flush a writer.
func flushes(w http.ResponseWriter) bool {
	for {
		switch inner := w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			return false
		}
	}
}

// hijacks reports whether http.ResponseController can hijack through a writer that is not a
// Hijacker itself.
func hijacks(w http.ResponseWriter) bool {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = outer.Unwrap()
		if _, ok := w.(http.Hijacker); ok {
			return true
		}
	}
}

// CloseNotify reports that the client has gone. It is deprecated in net/http, but Gin's
// Context.Stream calls it without checking that it exists. It needs nothing from the inner writer.
func (w *responseWriter) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(w.handle.req.Context(), func() { gone <- true })
	return gone
}

func (w *responseWriter) flush() {
	if w.begin() == nil {
		w.ResponseWriter.(http.Flusher).Flush() //nolint:errcheck,forcetypeassert // wrap has looked
	}
}

func (w *responseWriter) hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.handle.hijack()
	if err := w.begin(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func (w *responseWriter) readFrom(r io.Reader) (int64, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	w.written = true
	return w.ResponseWriter.(io.ReaderFrom).ReadFrom(r) //nolint:errcheck,forcetypeassert // wrap has looked
}

func (w *responseWriter) push(target string, opts *http.PushOptions) error {
	return w.ResponseWriter.(http.Pusher).Push(target, opts) //nolint:errcheck,forcetypeassert // wrap has looked
}

// listHas reports whether a header's comma-separated list contains a token, in any case.
func listHas(list, token string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(trimSpace(item), token) {
			return true
		}
	}
	return false
}
