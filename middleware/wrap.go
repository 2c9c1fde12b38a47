package middleware

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// wrap gives w exactly the optional interfaces of its inner writer, so that a handler that asks for
// a Flusher or Hijacker gets a real one. w is also a Hijacker if the inner writer only leads to one
// by Unwrap. Otherwise http.ResponseController would bypass us and take over the connection before
// the commit. Each combination is a type of one pointer, so wrapping does not allocate.
func wrap(w *responseWriter) http.ResponseWriter {
	switch optional(w.ResponseWriter) {
	case 1:
		return writerF{w}
	case 2:
		return writerH{w}
	case 3:
		return writerFH{w}
	case 4:
		return writerR{w}
	case 5:
		return writerFR{w}
	case 6:
		return writerHR{w}
	case 7:
		return writerFHR{w}
	case 8:
		return writerP{w}
	case 9:
		return writerFP{w}
	case 10:
		return writerHP{w}
	case 11:
		return writerFHP{w}
	case 12:
		return writerRP{w}
	case 13:
		return writerFRP{w}
	case 14:
		return writerHRP{w}
	case 15:
		return writerFHRP{w}
	default:
		return w
	}
}

// optional returns the interfaces of w, one bit each. It is written out, because only plain type
// assertions are cached at their call site.
func optional(w http.ResponseWriter) (set int) {
	if _, ok := w.(http.Flusher); ok {
		set |= 1
	}
	if _, ok := w.(http.Hijacker); ok || hijacks(w) {
		set |= 2
	}
	if _, ok := w.(io.ReaderFrom); ok {
		set |= 4
	}
	if _, ok := w.(http.Pusher); ok {
		set |= 8
	}
	return set
}

// One letter per interface: Flusher, Hijacker, ReaderFrom, Pusher.
type (
	writerF    struct{ *responseWriter }
	writerH    struct{ *responseWriter }
	writerFH   struct{ *responseWriter }
	writerR    struct{ *responseWriter }
	writerFR   struct{ *responseWriter }
	writerHR   struct{ *responseWriter }
	writerFHR  struct{ *responseWriter }
	writerP    struct{ *responseWriter }
	writerFP   struct{ *responseWriter }
	writerHP   struct{ *responseWriter }
	writerFHP  struct{ *responseWriter }
	writerRP   struct{ *responseWriter }
	writerFRP  struct{ *responseWriter }
	writerHRP  struct{ *responseWriter }
	writerFHRP struct{ *responseWriter }
)

func (w writerF) Flush()    { w.flush() }
func (w writerFH) Flush()   { w.flush() }
func (w writerFR) Flush()   { w.flush() }
func (w writerFHR) Flush()  { w.flush() }
func (w writerFP) Flush()   { w.flush() }
func (w writerFHP) Flush()  { w.flush() }
func (w writerFRP) Flush()  { w.flush() }
func (w writerFHRP) Flush() { w.flush() }

func (w writerH) Hijack() (net.Conn, *bufio.ReadWriter, error)    { return w.hijack() }
func (w writerFH) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w writerHR) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w writerFHR) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerHP) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w writerFHP) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerHRP) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerFHRP) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w writerR) ReadFrom(r io.Reader) (int64, error)    { return w.readFrom(r) }
func (w writerFR) ReadFrom(r io.Reader) (int64, error)   { return w.readFrom(r) }
func (w writerHR) ReadFrom(r io.Reader) (int64, error)   { return w.readFrom(r) }
func (w writerFHR) ReadFrom(r io.Reader) (int64, error)  { return w.readFrom(r) }
func (w writerRP) ReadFrom(r io.Reader) (int64, error)   { return w.readFrom(r) }
func (w writerFRP) ReadFrom(r io.Reader) (int64, error)  { return w.readFrom(r) }
func (w writerHRP) ReadFrom(r io.Reader) (int64, error)  { return w.readFrom(r) }
func (w writerFHRP) ReadFrom(r io.Reader) (int64, error) { return w.readFrom(r) }

func (w writerP) Push(t string, o *http.PushOptions) error    { return w.push(t, o) }
func (w writerFP) Push(t string, o *http.PushOptions) error   { return w.push(t, o) }
func (w writerHP) Push(t string, o *http.PushOptions) error   { return w.push(t, o) }
func (w writerFHP) Push(t string, o *http.PushOptions) error  { return w.push(t, o) }
func (w writerRP) Push(t string, o *http.PushOptions) error   { return w.push(t, o) }
func (w writerFRP) Push(t string, o *http.PushOptions) error  { return w.push(t, o) }
func (w writerHRP) Push(t string, o *http.PushOptions) error  { return w.push(t, o) }
func (w writerFHRP) Push(t string, o *http.PushOptions) error { return w.push(t, o) }
