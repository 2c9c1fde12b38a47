package middleware_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
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

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// wrappings are the positions of a writer that only leads to another by Unwrap.
func wrappings() map[string]func(m *middleware.Sessions, h http.Handler) http.Handler {
	return map[string]func(m *middleware.Sessions, h http.Handler) http.Handler{
		"alone":  func(m *middleware.Sessions, h http.Handler) http.Handler { return m.Handler(h) },
		"outer":  func(m *middleware.Sessions, h http.Handler) http.Handler { return unwrappers(m.Handler(h)) },
		"inner":  func(m *middleware.Sessions, h http.Handler) http.Handler { return m.Handler(unwrappers(h)) },
		"both":   func(m *middleware.Sessions, h http.Handler) http.Handler { return unwrappers(m.Handler(unwrappers(h))) },
		"double": func(m *middleware.Sessions, h http.Handler) http.Handler { return unwrappers(unwrappers(m.Handler(h))) },
	}
}

// takes are the ways in which a handler begins a response or takes over the connection. Each
// reports whether the writer allowed it.
func takes(t *testing.T) map[string]func(http.ResponseWriter) bool {
	t.Helper()
	page := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(page, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	controlled := func(do func(c *http.ResponseController) error) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool { return do(http.NewResponseController(w)) == nil }
	}
	return map[string]func(http.ResponseWriter) bool{
		"a controller's Flush": controlled((*http.ResponseController).Flush),
		"Flusher": func(w http.ResponseWriter) bool {
			x, ok := w.(http.Flusher)
			if ok {
				x.Flush()
			}
			return ok
		},
		"FlushError": func(w http.ResponseWriter) bool {
			x, ok := w.(interface{ FlushError() error })
			return ok && x.FlushError() == nil
		},
		"WriteString": func(w http.ResponseWriter) bool {
			_, err := io.WriteString(w, "hello")
			return err == nil
		},
		"a file": func(w http.ResponseWriter) bool {
			file, err := os.Open(page)
			if err != nil {
				t.Error(err)
				return false
			}
			defer file.Close()
			n, err := io.Copy(w, file)
			return err == nil && n == int64(len("hello"))
		},
		"an unwrapped write": func(w http.ResponseWriter) bool {
			u, ok := w.(unwrapping) // by somebody inside, who knows it
			if !ok {
				return false
			}
			_, err := u.Unwrap().Write([]byte("hello"))
			return err == nil
		},
	}
}

// committed fails the test unless earlier changes of the handler are stored and later ones are
// refused.
func (f *fixture) committed(r *http.Request, h *middleware.Handle, id sessile.ID) {
	f.Helper()
	f.wantErr(h.Set("late", 1), middleware.ErrHeadersSent)
	s, err := f.store.Read(r.Context(), id)
	f.must(err)
	n, _, err := sessile.Get[int](s, "n")
	f.must(err)
	f.want(n, 7)
}

func TestCommitPrecedesEveryWayToBeginTheResponse(t *testing.T) { // whatever wraps whom
	for _, h2 := range []bool{false, true} {
		for where, wrap := range wrappings() {
			for name, take := range takes(t) {
				t.Run(fmt.Sprintf("%s, %s, HTTP/2 %t", name, where, h2), func(t *testing.T) {
					f := setUp(t, sessile.Config{}, middleware.Options{})
					server := httptest.NewUnstartedServer(wrap(f.m, handler(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
						f.must(h.Authenticate(r.Context(), "alice"))
						f.must(h.Set("n", 7))
						if s, _ := h.Current(); take(w) {
							f.committed(r, h, s.ID())
						} else {
							f.must(h.Set("n", 7)) // not too late
						}
					})))
					server.EnableHTTP2 = h2
					server.StartTLS()
					t.Cleanup(server.Close)
					resp, _ := f.get(server.Client(), server.URL, nil)
					b := f.browser()
					b.take(resp)
					f.want(valueOf[int](b, "n"), 7)
				})
			}
		}
	}
}

// WebSocket libraries write the header themselves. gorilla/websocket does so after it takes over
// the connection, and coder/websocket before.
func TestCommitPrecedesTheHijackOfAWebsocket(t *testing.T) {
	for where, wrap := range wrappings() {
		for _, early := range []bool{false, true} {
			for _, asserted := range []bool{false, true} {
				if asserted && (where == "inner" || where == "both") {
					continue // the inner writer is no Hijacker, and none of ours
				}
				t.Run(fmt.Sprintf("%s, header first %t, by assertion %t", where, early, asserted), func(t *testing.T) {
					f := setUp(t, sessile.Config{}, middleware.Options{})
					w := f.listenTo(wrap(f.m, handler(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
						f.must(h.Authenticate(r.Context(), "alice"))
						f.must(h.Set("n", 7))
						s, _ := h.Current()
						conn, rw := f.upgrade(w, r, early, asserted)
						defer conn.Close()
						f.committed(r, h, s.ID())
						f.must(h.Update(r.Context(), new(sessile.Changes).Set("n", 8)))
						f.echo(rw)
					})))
					w.handshake()
				})
			}
		}
	}
}

// upgrade is the server side of RFC 6455 §4.2.2.
func (f *fixture) upgrade(w http.ResponseWriter, r *http.Request, early, asserted bool) (net.Conn, *bufio.ReadWriter) {
	f.Helper()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	header := w.Header()
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", "websocket")
	header.Set("Sec-Websocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	if early {
		w.WriteHeader(http.StatusSwitchingProtocols)
	}
	hijack := http.NewResponseController(w).Hijack
	if asserted {
		x, ok := w.(http.Hijacker)
		f.want(ok, true)
		hijack = x.Hijack
	}
	conn, rw, err := hijack()
	f.must(err)
	if !early {
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
		f.must(header.Write(rw))
		_, _ = rw.WriteString("\r\n")
		f.must(rw.Flush())
	}
	return conn, rw
}

// echo sends one frame back, unmasked.
func (f *fixture) echo(rw *bufio.ReadWriter) {
	f.Helper()
	var head [6]byte
	_, err := io.ReadFull(rw, head[:])
	f.must(err)
	text := make([]byte, head[1]&0x7f)
	_, err = io.ReadFull(rw, text)
	f.must(err)
	for i := range text {
		text[i] ^= head[2+i%4]
	}
	_, _ = rw.Write([]byte{0x81, byte(len(text))})
	_, _ = rw.Write(text)
	f.must(rw.Flush())
}

// handshake is the client side. It logs in by a websocket, and gets an echo while the websocket is
// open.
func (w *wire) handshake() {
	w.Helper()
	c := w.dial()
	defer c.Close()
	_, err := io.WriteString(c, strings.ReplaceAll(get("Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), "Connection: close", "Connection: Upgrade"))
	w.must(err)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	w.must(err)
	w.want(resp.StatusCode, http.StatusSwitchingProtocols)
	w.want(resp.Header.Get("Sec-Websocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
	b := w.browser()
	b.take(resp)
	w.want(b.user(), "alice")
	_, err = c.Write([]byte{0x81, 0x85, 1, 2, 3, 4, 'h' ^ 1, 'e' ^ 2, 'l' ^ 3, 'l' ^ 4, 'o' ^ 1})
	w.must(err)
	answer := make([]byte, 7)
	_, err = io.ReadFull(in, answer)
	w.must(err)
	w.want(string(answer[2:]), "hello")
	w.want(valueOf[int](b, "n"), 8)
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

func TestCommitThatFailsIsTheWholeResponse(t *testing.T) { // the cookie is not sent, and the error is not hidden
	f := setUp(t, sessile.Config{MaxDataBytes: 100}, middleware.Options{})
	b := f.login("alice")
	resp := b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("a", 1))
		// A parallel request fills the session meanwhile.
		f.must(f.fill(r, h))
		w.Header().Set("Content-Type", "text/secret")
		w.WriteHeader(http.StatusAccepted)
		if _, err := w.Write([]byte("done")); err == nil {
			t.Error("the handler is told that all is well")
		}
	})
	f.want(resp.StatusCode, http.StatusInternalServerError)
	f.want(strings.Contains(resp.Header.Get("Content-Type"), "secret"), false)
	body, err := io.ReadAll(resp.Body)
	f.must(err)
	f.want(strings.Contains(string(body), "done"), false)
	f.want(len(resp.Header["Set-Cookie"]), 0)
	f.want(valueOf[int](b, "a"), 0)
}

// The handler runs on after the error response has begun.
func TestCommitThatFailsLosesItsChanges(t *testing.T) {
	f := setUp(t, sessile.Config{MaxDataBytes: 100}, middleware.Options{})
	b := f.login("alice")
	b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("a", 1))
		f.must(f.fill(r, h))
		w.WriteHeader(http.StatusOK)
		s, _ := h.Current()
		_, err := f.store.Update(r.Context(), s.ID(), new(sessile.Changes).Delete("x"))
		f.must(err)
		f.must(h.Save(r.Context()))
	})
	f.want(valueOf[int](b, "a"), 0)
}

func TestCommitToADamagedSessionEndsIt(t *testing.T) {
	f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{})
	b := f.login("alice")
	id := b.session().ID()
	resp := b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("n", 1))
		f.coldToken("bob") // alice's session leaves memory
		f.fail(persisttest.ByID, persist.ErrCorrupt)
	})
	f.heal()
	f.want(resp.StatusCode, http.StatusServiceUnavailable)
	f.want(b.cookie, "")
	f.want(f.count(sessile.EventUnreadable), 1)
	_, err := f.store.Read(t.Context(), id)
	f.wantErr(err, sessile.ErrNotFound)
}
