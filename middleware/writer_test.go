package middleware_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
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

// get asks for a page and reads it to its end.
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

// firstBytes are the ways in which a response begins.
func firstBytes(t *testing.T) map[string]func(http.ResponseWriter) {
	t.Helper()
	page := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(page, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]func(http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		"Write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("hello")) },
		"WriteString": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "hello") },
		"Flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"a controller's Flush": func(w http.ResponseWriter) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		},
		"a file": func(w http.ResponseWriter) {
			file, err := os.Open(page)
			if err != nil {
				t.Error(err)
				return
			}
			defer file.Close()
			_, _ = io.Copy(w, file)
		},
		"nothing": func(http.ResponseWriter) {},
	}
}

func TestCommitPrecedesTheFirstByte(t *testing.T) { // S19
	for _, h2 := range []bool{false, true} {
		for name, begin := range firstBytes(t) {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", name, h2), func(t *testing.T) {
				f := setUp(t, sessile.Config{}, middleware.Options{})
				client, url := f.serve(h2, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					f.must(h.Authenticate(r.Context(), "alice"))
					f.must(h.Set("n", 7))
					begin(w)
				})
				resp, _ := f.get(client, url, nil)
				f.want(len(resp.Header["Set-Cookie"]), 1)
				b := f.browser()
				b.take(resp)
				f.want(valueOf[int](b, "n"), 7)
				f.want(resp.ProtoMajor == 2, h2)
			})
		}
	}
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

func TestCommitDoesNotHappenAtEarlyHints(t *testing.T) { // responses 1xx
	f := setUp(t, sessile.Config{}, middleware.Options{})
	client, url := f.serve(true, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		f.must(h.Authenticate(r.Context(), "alice")) // not too late
	})
	var hints []string
	resp, _ := f.get(client, url, func(r *http.Request) {
		*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(code, " ", header.Get("Link"), header.Get("Set-Cookie")))
				return nil
			},
		}))
	})
	f.want(strings.Join(hints, "; "), "103 </style.css>; rel=preload")
	b := f.browser()
	b.take(resp)
	f.want(b.user(), "alice")
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

// The writers of the table of combinations: each has exactly its letter's interface.
type (
	bare    struct{ http.ResponseWriter }
	flushes struct{}
	hijacks struct{}
	reads   struct{}
	pushes  struct{}
)

func (flushes) Flush() {}
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
			use(w)
			if err := http.NewResponseController(w).Flush(); (err == nil) != (i&1 != 0) {
				t.Errorf("combination %d: a controller's Flush: %v", i, err)
			}
		})).ServeHTTP(inner, f.browser().request())
	}
}

// interfaces is what a writer offers, a bit each.
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

// use calls what a writer offers.
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

func TestSetAfterTheFirstByteIsAnError(t *testing.T) { // S19; an error to the caller, not a silent loss
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.login("alice")
	b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		ctx := r.Context()
		w.WriteHeader(http.StatusOK)
		_, _, popErr := middleware.Pop[int](h, "n")
		f.must(popErr) // there is nothing to take
		for name, err := range map[string]error{
			"Set": h.Set("n", 1), "Remove": h.Delete("n"), "AddFlash": h.AddFlash("k", "v"),
			"Authenticate": h.Authenticate(ctx, "bob"), "Rotate": h.Rotate(ctx), "Reauthenticated": h.Reauthenticated(ctx),
		} {
			if !errors.Is(err, middleware.ErrHeadersSent) {
				t.Errorf("%s: %v", name, err)
			}
		}
		f.must(h.Save(ctx))
		f.must(h.Renew(ctx))
	})
	f.want(b.user(), "alice")
}

func TestCommitOutlivesItsClient(t *testing.T) { // the commit does not die with the client's connection
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	ctx, cancel := context.WithCancel(t.Context())
	b.serve(b.request().WithContext(ctx), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("n", 7))
		cancel() // the client is gone
	})
	f.want(valueOf[int](b, "n"), 7)
}
