package ginsession

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
)

// writer is Gin's writer behind a middleware's. Everything that sends something goes through the
// middleware's writer, which ends in Gin's, so Gin's knows the status and the size and answers
// every query. WriteHeader stays Gin's: it only notes the status, and a handler may change the
// status until the header is sent.
type writer struct {
	gin.ResponseWriter
	inner http.ResponseWriter // the middleware's
}

// WriteHeaderNow sends the header.
func (w *writer) WriteHeaderNow() {
	if w.Written() {
		return
	}
	w.inner.WriteHeader(w.Status())
	w.ResponseWriter.WriteHeaderNow()
}

// Write sends the header and b.
func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeaderNow()
	return w.inner.Write(b)
}

// WriteString sends the header and s.
func (w *writer) WriteString(s string) (int, error) {
	w.WriteHeaderNow()
	return io.WriteString(w.inner, s)
}

// Flush sends the header and the buffered body.
func (w *writer) Flush() {
	w.WriteHeaderNow()
	_ = http.NewResponseController(w.inner).Flush() // Gin's Flush returns no error either
}

// Hijack takes over the connection and tells the middleware. The caller writes the header then.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.inner).Hijack()
}

// Unwrap gives http.ResponseController the inner writer.
func (w *writer) Unwrap() http.ResponseWriter { return w.inner }
