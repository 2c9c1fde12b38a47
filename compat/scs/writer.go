package scs

import (
	"bufio"
	"net"
	"net/http"
)

// writer calls before once, before the first byte of the response. If before fails, it has answered,
// and what the handler writes is dropped. Like scs's writer, it always has Flush and Hijack.
type writer struct {
	http.ResponseWriter
	before func() error
	begun  bool
	failed error
}

func (w *writer) begin() error {
	if !w.begun {
		w.begun = true
		w.failed = w.before()
	}
	return w.failed
}

// WriteHeader sends the header. Informational responses come earlier.
func (w *writer) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.begin() == nil {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write sends the header and b.
func (w *writer) Write(b []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(b)
}

// Flush is FlushError for handlers that want a Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError sends the header and the buffered body.
func (w *writer) FlushError() error {
	if err := w.begin(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack takes over the connection.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.begin(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap gives http.ResponseController the inner writer.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
