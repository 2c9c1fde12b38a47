package middleware_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessile/sessile/persist/persisttest"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// gzipped compresses what next writes. It sets Content-Encoding either before next runs or when
// next begins its response.
func gzipped(early bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z := &gzipWriter{w, gzip.NewWriter(w), early}
		if early {
			w.Header().Set("Content-Encoding", "gzip")
		}
		defer z.z.Close()
		next.ServeHTTP(z, r)
	})
}

type gzipWriter struct {
	http.ResponseWriter
	z    *gzip.Writer
	said bool
}

func (w *gzipWriter) WriteHeader(status int) {
	if !w.said {
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.said = true
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeader(status)
}

func (w *gzipWriter) Write(b []byte) (int, error) {
	if !w.said {
		w.WriteHeader(http.StatusOK)
	}
	return w.z.Write(b)
}

func TestErrorPageIsReadableBehindACompressor(t *testing.T) { // golang/go#66343
	plain := func(h http.Handler) http.Handler { return h }
	outside := func(early bool) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler { return gzipped(early, h) }
	}
	for name, around := range map[string]func(http.Handler) http.Handler{
		"none": plain, "says so before": outside(true), "says so when it begins": outside(false),
	} {
		for where, inner := range map[string]func(http.Handler) http.Handler{"": plain, ", and one inside": outside(true)} {
			for _, reads := range []bool{true, false} {
				t.Run(fmt.Sprint(name, where, ", reads fail ", reads), func(t *testing.T) {
					f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{})
					b := f.browser()
					if reads {
						b.cookie = f.coldToken("alice")
						f.fail(persisttest.ByHash, errors.New("disk on fire"))
					} else {
						b.login("alice")
					}
					w := httptest.NewRecorder()
					around(f.m.Handler(inner(handler(func(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
						w.Header().Set("Content-Encoding", "br") // the file that was meant is compressed already
						w.Header().Set("Content-Length", "12345")
						f.must(h.Set("n", 1))
						f.must(f.store.Close()) // the commit fails
						_, _ = io.WriteString(w, "hello")
					})))).ServeHTTP(w, b.request())
					f.want(w.Code, http.StatusServiceUnavailable)
					f.want(unzipped(t, w), "Sessions are unavailable at the moment.\n")
					f.want(w.Header().Get("Content-Length"), "")
				})
			}
		}
	}
}

// unzipped returns a body as a browser would read it.
func unzipped(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	body := io.Reader(w.Body)
	switch encoding := w.Header().Get("Content-Encoding"); encoding {
	case "":
	case "gzip":
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatalf("the body is no gzip: %v", err)
		}
		body = z
	default:
		t.Fatalf("Content-Encoding is %q", encoding)
	}
	text := new(strings.Builder)
	if _, err := io.Copy(text, body); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// A recovery outside of the middleware may still have our writer, as Echo's does. Its error page
// must not commit what the panic has undone.
func TestErrorPageAfterAPanicCommitsNothing(t *testing.T) {
	for name, do := range map[string]func(h *middleware.Handle) error{
		"change": func(h *middleware.Handle) error { return h.Set("k", 2) },
		"login":  func(h *middleware.Handle) error { return h.Authenticate(t.Context(), "bob") },
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{})
			b := f.login("alice")
			b.do(set(f, "k", 1))
			outer := httptest.NewRecorder()
			var ours http.ResponseWriter
			func() {
				defer func() { _ = recover() }()
				f.m.Handler(handler(func(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
					ours = w
					f.must(do(h))
					panic(name)
				})).ServeHTTP(outer, b.request())
			}()
			ours.WriteHeader(http.StatusInternalServerError)
			resp := b.take(outer.Result())
			f.want(resp.StatusCode, http.StatusInternalServerError)
			list, err := f.store.ListForUser(t.Context(), "bob")
			f.must(err)
			f.want(len(list), 0)
			if name == "change" {
				f.want(valueOf[int](b, "k"), 1)
			}
		})
	}
}
