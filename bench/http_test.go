package bench

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// served is the result of a contestant behind a real server on loopback, which shares the cores with the
// load generator.
type served struct {
	Work       string  `json:"work"`
	Contestant string  `json:"contestant"`
	Rate       int     `json:"rate"` // requests a second, 0 = as many as possible
	PerSecond  float64 `json:"per_second"`
	MedianUS   float64 `json:"median_us"` // from the intended start
	P99US      float64 `json:"p99_us"`
}

const connections = 64

// overHTTP measures some contestants in turns: at full speed, and at a rate that all of them can serve.
func overHTTP(t *testing.T, sessions int) (list []served) {
	t.Helper()
	warm := slices.DeleteFunc(contestants(), func(k contestant) bool {
		return k.name == "gorilla-files" || k.name == "gorilla-cookie" || k.name == "mutex-map"
	})
	for _, rate := range []int{0, 4000} {
		for _, w := range []work{{name: "read", target: "/read"}, {name: "set", target: "/set?value"}} {
			list = append(list, serveAll(t, warm, w, rate, sessions, options{})...)
		}
		list = append(list, serveAll(t, coldContestants(), coldWork(), rate, sessions, hotSet(sessions))...)
	}
	return list
}

func serveAll(t *testing.T, from []contestant, w work, rate, sessions int, o options) (list []served) {
	t.Helper()
	for _, k := range from {
		s := newSite(t, k, sessions, o)
		if s == nil {
			continue
		}
		x := s.over(t, w, rate, 3*time.Second)
		fmt.Printf("http/%s/rate=%d %s: %.0f/s, median %.0f us, p99 %.0f us\n", w.name, rate, k.name, x.PerSecond, x.MedianUS, x.P99US)
		list = append(list, x)
	}
	return list
}

// over serves the site on loopback and sends requests over many connections. At a fixed rate, the time of a
// request counts from its intended start, so that a pause of the server counts for every request that it
// delays.
func (s *site) over(t *testing.T, w work, rate int, total time.Duration) served {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	agent := &http.Client{Transport: transport}
	cookie := s.cookieOf(w)
	times := make([][]float64, connections)
	var group sync.WaitGroup
	began := time.Now()
	for c := range connections {
		group.Go(func() {
			for n := c; ; n += connections {
				due := time.Now()
				if rate > 0 {
					due = began.Add(time.Duration(n) * time.Second / time.Duration(rate))
					<-time.After(time.Until(due))
				}
				if due.Sub(began) > total {
					return
				}
				if err := s.ask(agent, "http://"+listener.Addr().String()+w.target, cookie(n)); err != nil {
					t.Error(err)
					return
				}
				times[c] = append(times[c], float64(time.Since(due).Microseconds()))
			}
		})
	}
	group.Wait()
	all := slices.Concat(times...)
	slices.SortFunc(all, cmp.Compare[float64])
	return served{w.name, s.name, rate, float64(len(all)) / time.Since(began).Seconds(), all[len(all)/2], all[len(all)*99/100]}
}

// cookieOf returns the Cookie header of the n-th request.
func (s *site) cookieOf(w work) func(n int) string {
	if w.zipf {
		return newDrawn(s, true).header
	}
	return func(n int) string { return s.c.CookieName() + "=" + s.cookies[n%len(s.cookies)] }
}

func (s *site) ask(agent *http.Client, url, cookie string) error {
	r, err := http.NewRequestWithContext(s.tb.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Cookie", cookie)
	resp, err := agent.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", s.name, resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
