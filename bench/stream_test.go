package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// stream sends requests at a fixed rate, whatever earlier ones take. They arrive in bursts, two milliseconds apart. A
// request's time counts from its arrival. Each worker sends one at a time: with too few workers, requests wait for one.
type stream struct {
	rate     float64
	workers  int
	patience time.Duration                    // a request that waited longer for a worker is given up; 0: none is
	do       func(worker, n int) (status int) // sends the n-th request of a worker
	each     []flow                           // of each worker
	started  atomic.Int64                     // requests that were sent
	givenUp  atomic.Int64                     // requests that were not
	refused  atomic.Int64                     // answers with status 500 or more
}

// flow is what the requests of one worker took since the last look.
type flow struct {
	mu sync.Mutex
	t  tally
}

const burst = 2 * time.Millisecond

// run starts the workers, which end after that long.
func (x *stream) run(group *sync.WaitGroup, began time.Time, long time.Duration) {
	x.each = make([]flow, x.workers)
	for w := range x.workers {
		group.Go(func() {
			for n := w; ; n += x.workers {
				due := time.Duration(float64(n) / x.rate * 1e9).Truncate(burst)
				if due >= long {
					return
				}
				x.send(w, n/x.workers, began.Add(due))
			}
		})
	}
}

// send waits until a request is due and sends it.
func (x *stream) send(w, n int, due time.Time) {
	wait := time.Until(due)
	if wait > 0 {
		<-time.After(wait)
	}
	if x.patience > 0 && -wait > x.patience {
		x.givenUp.Add(1)
		return
	}
	x.started.Add(1)
	if x.do(w, n) >= http.StatusInternalServerError {
		x.refused.Add(1)
		return
	}
	f := &x.each[w]
	f.mu.Lock()
	f.t.add(time.Since(due))
	f.mu.Unlock()
}

// take returns what the answered requests took since the last call.
func (x *stream) take() *tally {
	all := new(tally)
	for i := range x.each {
		f := &x.each[i]
		f.mu.Lock()
		all.join(&f.t)
		f.t = tally{}
		f.mu.Unlock()
	}
	return all
}

// closedRate returns how many requests a second so many clients get answered, each one after the other.
func closedRate(clients int, long time.Duration, do func(worker, n int) int) float64 {
	var group sync.WaitGroup
	var all atomic.Int64
	began := time.Now()
	for w := range clients {
		group.Go(func() {
			n := 0
			for ; time.Since(began) < long; n++ {
				do(w, n)
			}
			all.Add(int64(n))
		})
	}
	group.Wait()
	return float64(all.Load()) / time.Since(began).Seconds()
}

// asks returns a stream's requests of a site that go to one path, with the cookie of a session each.
func (s *site) asks(target string, sessions *drawn, workers int) func(worker, n int) int {
	c := newCrewOf(s, work{target: target}, workers, sessions)
	return func(worker, _ int) int {
		c.workers[worker].step()
		return c.workers[worker].sink.code
	}
}

// logsIn returns a stream's logins of new users, which log out again if out is set.
func (s *site) logsIn(prefix string, out bool) func(worker, n int) int {
	return func(worker, n int) int { return s.visit(fmt.Sprintf("/login?%s-%d-%d", prefix, worker, n), out) }
}

// visit sends a login, and a logout if out is set. It returns the status of the last answer.
func (s *site) visit(login string, out bool) int {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, s.request(login, ""))
	if w.Code >= http.StatusInternalServerError || !out {
		return w.Code
	}
	for _, k := range w.Result().Cookies() {
		if k.Name == s.c.CookieName() && k.Value != "" {
			w = httptest.NewRecorder()
			s.handler.ServeHTTP(w, s.request("/logout", k.Value))
			return w.Code
		}
	}
	return http.StatusInternalServerError
}

// memory returns the live heap and the resident memory of the process, in megabytes.
func memory() (heap, resident float64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	var total, pages float64
	if b, err := os.ReadFile("/proc/self/statm"); err == nil { // not Linux: 0
		_, _ = fmt.Sscan(string(b), &total, &pages)
	}
	return float64(sample[0].Value.Uint64()) / 1e6, pages * float64(os.Getpagesize()) / 1e6
}
