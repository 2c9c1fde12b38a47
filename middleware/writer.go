package middleware

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
)

// responseWriter commits the session when the response begins. Its optional
// interfaces are those of wrap.
type responseWriter struct {
	http.ResponseWriter
	handle   *Handle
	encoding *[]string // the Content-Encoding that was there before the handler; nil if there was none
	begun    bool
	written  bool  // the handler has written a header or a body
	failed   error // the commit failed: the error page is the response
}

// begin commits, once. If that fails, the response becomes the error handler's,
// and what the handler writes goes nowhere.
func (w *responseWriter) begin() error {
	if w.begun {
		return w.failed
	}
	w.begun = true
	if err := w.handle.commit(w.Header()); err != nil {
		w.failed = err
		w.handle.m.fail(w.ResponseWriter, w.handle.req, err, w.encoding)
	}
	return w.failed
}

// finish commits the session of a handler that wrote nothing.
func (w *responseWriter) finish() { _ = w.begin() } // the error handler has answered

// WriteHeader commits and sends the header. Informational responses come before
// it and commit nothing.
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

// Unwrap leads http.ResponseController to the connection.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError commits and flushes. It is here, whether the inner writer is a
// Flusher or only leads to one, because http.ResponseController would otherwise
// flush past us and send the headers without the session's.
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

// hijacks reports whether http.ResponseController can hijack through a writer that
// is no Hijacker itself.
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

// CloseNotify tells when the client has gone. net/http has given it up for the
// request's context, but some still ask for it without looking whether it is there:
// Gin's Context.Stream. It needs nothing of the inner writer.
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

// listHas reports whether a header's list of tokens has one, in any case.
func listHas(list, token string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(trimSpace(item), token) {
			return true
		}
	}
	return false
}
