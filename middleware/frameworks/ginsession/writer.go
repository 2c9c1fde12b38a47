package ginsession

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
)

// writer is Gin's writer with a middleware's in front. Everything that sends
// something goes through the middleware's, which ends in Gin's; and so Gin's knows
// status and size, and is asked for all else. WriteHeader is Gin's too: it only
// notes the status, and a handler may change its mind until the header is sent.
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

// Flush sends the header and what is buffered.
func (w *writer) Flush() {
	w.WriteHeaderNow()
	_ = http.NewResponseController(w.inner).Flush() // Gin's Flush tells nothing either
}

// Hijack takes the connection over. The header is the caller's then, but the
// middleware hears of it.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.inner).Hijack()
}

// Unwrap leads http.ResponseController to the connection.
func (w *writer) Unwrap() http.ResponseWriter { return w.inner }
