package middleware_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// serve runs a handler behind the middleware on a real server, and returns its client.
func (f *fixture) serve(h2 bool, a action) (*http.Client, string) {
	f.Helper()
	server := httptest.NewUnstartedServer(f.m.Handler(handler(a)))
	server.EnableHTTP2 = h2
	server.StartTLS()
	f.Cleanup(server.Close)
	return server.Client(), server.URL
}

// get requests a page and reads it to its end.
func (f *fixture) get(client *http.Client, url string, change func(*http.Request)) (*http.Response, string) {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), http.MethodGet, url, nil)
	f.must(err)
	if change != nil {
		change(r)
	}
	resp, err := client.Do(r)
	f.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	f.must(err)
	return resp, string(body)
}

func TestWriterSendsTheCookieWithAnUpgrade(t *testing.T) { // S19: Hijack, websockets
	f := setUp(t, sessile.Config{}, middleware.Options{})
	client, url := f.serve(false, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Authenticate(r.Context(), "alice"))
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		f.must(err)
		defer conn.Close()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	f.must(err)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	resp, err := client.Do(r)
	f.must(err)
	defer resp.Body.Close()
	f.want(resp.StatusCode, http.StatusSwitchingProtocols)
	b := f.browser()
	b.take(resp)
	f.want(b.user(), "alice")
	conn, ok := resp.Body.(io.ReadWriter)
	f.want(ok, true)
	_, err = io.WriteString(conn, "hello\n")
	f.must(err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	f.must(err)
	f.want(line, "hello\n")
}

func TestWriterKeepsAStreamStreaming(t *testing.T) { // server-sent events
	for _, h2 := range []bool{false, true} {
		f := setUp(t, sessile.Config{}, middleware.Options{})
		seen := make(chan struct{})
		client, url := f.serve(h2, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Authenticate(r.Context(), "alice"))
			_, _ = io.WriteString(w, "data: 1\n\n")
			f.must(http.NewResponseController(w).Flush())
			<-seen // the client has it, and the handler runs still
			f.wantErr(h.Set("late", 1), middleware.ErrHeadersSent)
			f.must(h.Update(r.Context(), new(sessile.Changes).Set("late", 2)))
			_, _ = io.WriteString(w, "data: 2\n\n")
		})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		f.must(err)
		resp, err := client.Do(r)
		f.must(err)
		lines := bufio.NewReader(resp.Body)
		line, err := lines.ReadString('\n')
		f.must(err)
		f.want(line, "data: 1\n")
		close(seen)
		rest, err := io.ReadAll(lines)
		f.must(err)
		f.want(string(rest), "\ndata: 2\n\n")
		_ = resp.Body.Close()
		b := f.browser()
		b.take(resp)
		f.want(valueOf[int](b, "late"), 2)
	}
}

func TestWriterKeepsTrailersAndControllers(t *testing.T) { // http.ResponseController finds the writer by Unwrap
	for _, h2 := range []bool{false, true} {
		f := setUp(t, sessile.Config{}, middleware.Options{})
		client, url := f.serve(h2, func(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			h.IsAuthenticated()
			c := http.NewResponseController(w)
			f.must(c.SetWriteDeadline(time.Now().Add(time.Minute)))
			f.must(c.SetReadDeadline(time.Now().Add(time.Minute)))
			if !h2 {
				f.must(c.EnableFullDuplex())
			}
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "hello")
			w.Header().Set("X-Sum", "5")
		})
		resp, body := f.get(client, url, nil)
		f.want(body, "hello")
		f.want(resp.Trailer.Get("X-Sum"), "5")
		f.want(resp.Header.Get("Vary"), "Cookie")
	}
}

// The writers in the table of combinations: each has exactly the interfaces of its letters.
type (
	bare    struct{ http.ResponseWriter }
	flushes struct{}
	hijacks struct{}
	reads   struct{}
	pushes  struct{}
)

func (flushes) Flush() { flushed.Add(1) }

var flushed atomic.Int64 // calls of flushes.Flush, in a test that runs alone
func (hijacks) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.ErrUnsupported
}
func (reads) ReadFrom(r io.Reader) (int64, error)   { return io.Copy(io.Discard, r) }
func (pushes) Push(string, *http.PushOptions) error { return nil }

func TestWriterHasExactlyTheInterfacesOfTheInnerOne(t *testing.T) { // Flusher, Hijacker, ReaderFrom, Pusher
	f := setUp(t, sessile.Config{}, middleware.Options{})
	w := func() http.ResponseWriter { return bare{httptest.NewRecorder()} }
	for i, inner := range []http.ResponseWriter{
		w(),
		struct {
			http.ResponseWriter
			flushes
		}{w(), flushes{}},
		struct {
			http.ResponseWriter
			hijacks
		}{w(), hijacks{}},
		struct {
			http.ResponseWriter
			flushes
			hijacks
		}{w(), flushes{}, hijacks{}},
		struct {
			http.ResponseWriter
			reads
		}{w(), reads{}},
		struct {
			http.ResponseWriter
			flushes
			reads
		}{w(), flushes{}, reads{}},
		struct {
			http.ResponseWriter
			hijacks
			reads
		}{w(), hijacks{}, reads{}},
		struct {
			http.ResponseWriter
			flushes
			hijacks
			reads
		}{w(), flushes{}, hijacks{}, reads{}},
		struct {
			http.ResponseWriter
			pushes
		}{w(), pushes{}},
		struct {
			http.ResponseWriter
			flushes
			pushes
		}{w(), flushes{}, pushes{}},
		struct {
			http.ResponseWriter
			hijacks
			pushes
		}{w(), hijacks{}, pushes{}},
		struct {
			http.ResponseWriter
			flushes
			hijacks
			pushes
		}{w(), flushes{}, hijacks{}, pushes{}},
		struct {
			http.ResponseWriter
			reads
			pushes
		}{w(), reads{}, pushes{}},
		struct {
			http.ResponseWriter
			flushes
			reads
			pushes
		}{w(), flushes{}, reads{}, pushes{}},
		struct {
			http.ResponseWriter
			hijacks
			reads
			pushes
		}{w(), hijacks{}, reads{}, pushes{}},
		struct {
			http.ResponseWriter
			flushes
			hijacks
			reads
			pushes
		}{w(), flushes{}, hijacks{}, reads{}, pushes{}},
	} {
		f.want(interfaces(inner), i)
		f.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			f.want(interfaces(w), i)
			before := flushed.Load()
			use(w)
			f.want(flushed.Load()-before, int64(i&1))
			if err := http.NewResponseController(w).Flush(); (err == nil) != (i&1 != 0) {
				t.Errorf("combination %d: a controller's Flush: %v", i, err)
			}
		})).ServeHTTP(inner, f.browser().request())
	}
}

// interfaces returns the interfaces of a writer, one bit each.
func interfaces(w http.ResponseWriter) (set int) {
	_, f := w.(http.Flusher)
	_, h := w.(http.Hijacker)
	_, r := w.(io.ReaderFrom)
	_, p := w.(http.Pusher)
	for i, has := range []bool{f, h, r, p} {
		if has {
			set |= 1 << i
		}
	}
	return set
}

// use calls the interfaces that a writer has.
func use(w http.ResponseWriter) {
	if x, ok := w.(http.Pusher); ok {
		_ = x.Push("/style.css", nil)
	}
	if x, ok := w.(io.ReaderFrom); ok {
		_, _ = x.ReadFrom(strings.NewReader("hello"))
	}
	if x, ok := w.(http.Flusher); ok {
		x.Flush()
	}
	if x, ok := w.(http.Hijacker); ok {
		_, _, _ = x.Hijack()
	}
}

// Gin's Context.Stream panics if the writer is not a CloseNotifier.
func TestWriterReportsWhenTheClientHasGone(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.browser().serve(f.browser().request().WithContext(ctx), func(w http.ResponseWriter, _ *http.Request, _ *middleware.Handle) {
		gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		select {
		case <-gone:
			t.Error("the client is still there")
		default:
		}
		cancel()
		f.want(<-gone, true)
	})
}

func TestWriterLetsAControllerReachTheConnection(t *testing.T) {
	for where, wrap := range wrappings() {
		for _, h2 := range []bool{false, true} {
			f := setUp(t, sessile.Config{}, middleware.Options{})
			server := httptest.NewUnstartedServer(wrap(f.m, handler(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				c := http.NewResponseController(w)
				f.must(c.SetReadDeadline(time.Now().Add(time.Minute)))
				f.must(c.SetWriteDeadline(time.Now().Add(time.Minute)))
				if h2 {
					_, _, err := c.Hijack()
					f.wantErr(err, errors.ErrUnsupported)
				} else {
					f.must(c.EnableFullDuplex())
				}
				f.must(h.Authenticate(r.Context(), "alice")) // nothing of this was too early
				if x, ok := w.(http.CloseNotifier); ok {     //nolint:staticcheck // some still ask
					x.CloseNotify()
				}
			})))
			server.EnableHTTP2 = h2
			server.StartTLS()
			t.Cleanup(server.Close)
			resp, _ := f.get(server.Client(), server.URL, nil)
			if len(resp.Cookies()) != 1 {
				t.Errorf("%s, HTTP/2 %t: no cookie", where, h2)
			}
		}
	}
}
