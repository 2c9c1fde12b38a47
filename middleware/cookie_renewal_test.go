package middleware_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// jar is a browser that drops its cookie when Max-Age is over.
type jar struct {
	*browser
	until time.Time
	sent  int // how often the cookie came
}

func (j *jar) take(resp *http.Response) {
	j.f.Helper()
	j.browser.take(resp)
	for _, c := range resp.Cookies() {
		j.until = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
		j.sent++
	}
}

// visit sends a request. It fails the test if the browser has dropped its cookie by then.
func (j *jar) visit(do action) {
	j.f.Helper()
	if !time.Now().Before(j.until) {
		j.f.Fatalf("the browser has forgotten its cookie %v ago", time.Since(j.until))
	}
	j.take(j.serve(j.request(), func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		do(w, r, h)
		if user := h.IsAuthenticated(); !user {
			j.f.Fatal("the session has ended")
		}
	}))
}

// If another client keeps the session active all the time, a browser's own requests have no access
// to record. Its cookie still lives on, and is sent as rarely as otherwise.
func TestCookieLivesAsLongAsASessionThatOthersKeepAlive(t *testing.T) {
	const every, ttl, interval, life = 30 * time.Second, time.Hour, 2 * time.Minute, 3 * time.Hour
	others := map[string]func(f *fixture, id sessile.ID, h *middleware.Handle) error{
		"a worker that renews": func(f *fixture, id sessile.ID, _ *middleware.Handle) error {
			_, err := f.store.Renew(f.Context(), id)
			return err
		},
		"a worker that writes": func(f *fixture, id sessile.ID, _ *middleware.Handle) error {
			_, err := f.store.Update(f.Context(), id, new(sessile.Changes).Set("worker", 1))
			return err
		},
		"a worker that touches": func(f *fixture, id sessile.ID, _ *middleware.Handle) error {
			return f.store.Touch(f.Context(), id, time.Now(), time.Now().Add(ttl))
		},
		"a websocket that renews": func(f *fixture, _ sessile.ID, h *middleware.Handle) error { return h.Renew(f.Context()) },
		"a websocket that writes": func(f *fixture, _ sessile.ID, h *middleware.Handle) error {
			return h.Update(f.Context(), new(sessile.Changes).Set("socket", 1))
		},
	}
	for name, other := range others {
		for visits, between := range map[string]time.Duration{"rare": 25 * time.Minute, "often": time.Minute} {
			t.Run(name+", visits are "+visits, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					f := setUp(t, sessile.Config{TTL: ttl, TouchInterval: interval}, middleware.Options{})
					j := &jar{browser: f.browser()}
					j.take(j.serve(j.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
						f.must(h.Authenticate(r.Context(), "alice"))
					}))
					id := f.sessionOf(j.browser).ID()
					j.serve(j.request(), func(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
						h.Current()
						w.WriteHeader(http.StatusSwitchingProtocols)
						for at := every; at < life; at += every {
							wait(every)
							f.must(other(f, id, h))
							if at%between == 0 {
								j.visit(look)
							}
						}
					})
					if j.sent < 2 || j.sent > int(life/max(interval, between))+2 {
						t.Errorf("the cookie came %d times", j.sent)
					}
				})
			})
		}
	}
}

// A response whose handler does not access the session says nothing about it, and stays cacheable.
// The next page sends the cookie.
func TestCookieIsNotForgottenOverStaticFiles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: time.Hour, TouchInterval: time.Minute}, middleware.Options{})
		j := &jar{browser: f.browser()}
		j.take(j.serve(j.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Authenticate(r.Context(), "alice"))
		}))
		for i := range 100 {
			wait(55 * time.Second)
			f.want(golden(t, j.serve(j.request(), nothing)), "")
			if i%20 == 19 {
				wait(10 * time.Second)
				f.want(golden(t, j.serve(j.request(), nothing)), "") // the first access of its minute
				j.visit(look)
			}
		}
		f.want(j.sent, 100/20+1)
	})
}

// A client that keeps its token itself gets no cookie, so no access is recorded for one.
func TestBearerRecordsAnAccessOnceInTheInterval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TouchInterval: time.Minute}, middleware.Options{Bearer: true})
		b := f.login("alice")
		r := b.request()
		r.Header.Del("Cookie")
		r.Header.Set("Authorization", "Bearer "+b.cookie)
		id := f.sessionOf(b).ID()
		before := f.store.Stats().Touches
		const minutes = 30
		for i := range minutes * 6 {
			wait(10 * time.Second)
			if i%3 == 0 {
				_, err := f.store.Update(t.Context(), id, new(sessile.Changes).Set("worker", i))
				f.must(err)
			}
			f.want(golden(t, b.serve(r, look)), "")
		}
		if n := f.store.Stats().Touches - before; n > minutes {
			t.Errorf("%d accesses were recorded in %d minutes", n, minutes)
		}
	})
}

// After an eviction or a restart, memory does not know what the browser was told, and assumes
// nothing.
func TestCookieIsRenewedAfterItsSessionLeftMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: time.Hour, CacheSize: 1}, middleware.Options{})
		b := &jar{browser: f.browser()}
		b.take(b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Authenticate(r.Context(), "alice"))
		}))
		id := b.session().ID()
		wait(59 * time.Minute)
		_, err := f.store.Renew(t.Context(), id)
		f.must(err)
		f.must(f.store.Sync(t.Context()))
		f.coldToken("bob") // alice's session is evicted
		b.visit(look)
		wait(30 * time.Minute)
		b.visit(look)
	})
}
