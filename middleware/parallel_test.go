package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/sessile/sessile/middleware"
)

// writers is how many requests of one session write at once.
const writers = 64

func TestSetInParallelRequestsKeepsEveryKey(t *testing.T) { // S44; README: "Two parallel requests of one session do not lose each other's keys"
	for name, together := range map[string]bool{"as they come": false, "all read before one writes": true} {
		t.Run(name, func(t *testing.T) {
			l := newOurs(t, setting{})
			b := l.fixture.login("alice")
			setInParallel(l, b.cookie, together)
			l.want(kept(b), writers)
			l.must(l.restart())
			l.want(kept(b), writers)
			l.want(b.user(), "alice")
		})
	}
}

// setInParallel sets a key each from as many connections. Together means that no
// handler goes on before every request has its session.
func setInParallel(l *ours, cookie string, together bool) {
	var ready sync.WaitGroup
	ready.Add(writers)
	server := httptest.NewServer(l.m.Handler(handler(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		if ready.Done(); together {
			ready.Wait()
		}
		l.must(h.Set(r.URL.Query().Get("key"), true))
	})))
	defer server.Close()
	parallel(writers, func(i int) {
		r, err := http.NewRequestWithContext(l.Context(), http.MethodGet, fmt.Sprintf("%s/?key=k%d", server.URL, i), nil)
		if err != nil {
			l.Error(err)
			return
		}
		r.Header.Set("Cookie", l.m.CookieName()+"="+cookie)
		resp, err := server.Client().Do(r)
		if err != nil {
			l.Error(err)
			return
		}
		l.want(resp.StatusCode, http.StatusOK)
		_ = resp.Body.Close()
	})
}

// kept counts the keys that are there.
func kept(b *browser) (n int) {
	b.f.Helper()
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		for i := range writers {
			if v, ok, err := middleware.Get[bool](h, fmt.Sprint("k", i)); ok && v && err == nil {
				n++
			}
		}
	})
	return n
}
