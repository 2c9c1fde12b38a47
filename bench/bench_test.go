package bench

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var ratios = flag.Bool("ratios", false, "print one line per ratio, in at most a minute")

// contestant makes a fresh client for one benchmark.
type contestant struct {
	name string
	make func(tb testing.TB) client
}

func contestants() []contestant {
	return []contestant{
		{"sessile", func(tb testing.TB) client {
			tb.Helper()
			c, err := newSessile(filepath.Join(tb.TempDir(), "s.db"))
			if err != nil {
				tb.Fatal(err)
			}
			tb.Cleanup(func() {
				if err := c.store.Close(); err != nil {
					tb.Error(err)
				}
			})
			return c
		}},
		{"scs-memstore", func(testing.TB) client { return newSCSMemory() }},
		{"floor", func(testing.TB) client { return new(floorClient) }},
	}
}

// site is an application behind a contestant, and the cookies of its users.
type site struct {
	tb      testing.TB
	c       client
	handler http.Handler
	cookies []string
}

func newSite(tb testing.TB, k contestant, users int) *site {
	tb.Helper()
	s := &site{tb: tb, c: k.make(tb)}
	s.handler = s.c.Wrap(http.HandlerFunc(s.serve))
	for i := range users {
		s.cookies = append(s.cookies, s.login(fmt.Sprint("user", i)))
	}
	s.check()
	return s
}

// serve is the application: one path for each kind of work.
func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	var err error
	switch r.URL.Path {
	case "/read":
		if s.c.User(ctx) == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	case "/set":
		err = s.c.Set(ctx, "key", r.URL.RawQuery)
	case "/get":
		w.Header().Set("X-Key", s.c.Get(ctx, "key"))
		w.Header().Set("X-User", s.c.User(ctx))
	case "/login":
		err = s.c.Login(ctx, r.URL.RawQuery)
	case "/logout":
		err = s.c.Logout(ctx)
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (s *site) request(target, cookie string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	if cookie != "" {
		r.Header.Set("Cookie", s.c.CookieName()+"="+cookie)
	}
	return r
}

func (s *site) do(target, cookie string) *http.Response {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, s.request(target, cookie))
	if w.Code >= 500 {
		s.tb.Fatalf("%s: status %d", target, w.Code)
	}
	return w.Result()
}

func (s *site) login(user string) string {
	for _, k := range s.do("/login?"+user, "").Cookies() {
		if k.Name == s.c.CookieName() {
			return k.Value
		}
	}
	s.tb.Fatal("no cookie after the login")
	return ""
}

// check makes sure that a contestant does the work before it is measured.
func (s *site) check() {
	cookie := s.login("checked")
	s.do("/set?value", cookie)
	got := s.do("/get", cookie).Header
	if got.Get("X-Key") != "value" || got.Get("X-User") != "checked" {
		s.tb.Fatalf("got %q of %q", got.Get("X-Key"), got.Get("X-User"))
	}
	s.do("/logout", cookie)
	if code := s.do("/read", cookie).StatusCode; code != http.StatusUnauthorized {
		s.tb.Fatalf("status %d after the logout", code)
	}
}

// sink is a response writer that costs nothing.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}

// run measures requests of one kind over all users, in an order with a fixed seed.
func (s *site) run(b *testing.B, target string) {
	b.Helper()
	requests := make([]*http.Request, len(s.cookies))
	for i, k := range s.cookies {
		requests[i] = s.request(target, k)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	w := &sink{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		s.handler.ServeHTTP(w, requests[rng.IntN(len(requests))])
	}
}

func over(b *testing.B, sessions []int, target string) {
	b.Helper()
	for _, n := range sessions {
		for _, k := range contestants() {
			b.Run(fmt.Sprintf("%s/sessions=%d", k.name, n), func(b *testing.B) {
				newSite(b, k, n).run(b, target)
			})
		}
	}
}

// BenchmarkRead is a read-only authenticated request through the whole middleware.
func BenchmarkRead(b *testing.B) { over(b, []int{1, 10_000}, "/read") }

// BenchmarkSet sets one key of the session.
func BenchmarkSet(b *testing.B) { over(b, []int{1, 10_000}, "/set?value") }

// BenchmarkLoginLogout is a login and a logout, durable where the contestant has a disk.
func BenchmarkLoginLogout(b *testing.B) {
	for _, k := range contestants() {
		b.Run(k.name, func(b *testing.B) {
			s := newSite(b, k, 0)
			b.ReportAllocs()
			for b.Loop() {
				s.do("/logout", s.login("user"))
			}
		})
	}
}

// TestRatios prints what a request costs in rivals for each that it costs in
// Sessile; the median of five runs of each, in turns.
func TestRatios(t *testing.T) {
	if !*ratios { // then it only makes sure that every contestant does the work
		for _, k := range contestants() {
			newSite(t, k, 1)
		}
		return
	}
	for _, work := range []string{"/read", "/set?value"} {
		for _, n := range []int{1, 10_000} {
			cost := map[string][]float64{}
			sites := map[string]*site{}
			for _, k := range contestants() {
				sites[k.name] = newSite(t, k, n)
			}
			for range 5 {
				for name, s := range sites {
					r := testing.Benchmark(func(b *testing.B) { s.run(b, work) })
					cost[name] = append(cost[name], float64(r.NsPerOp()))
				}
			}
			for name, c := range cost {
				slices.Sort(c)
				fmt.Printf("ratio %s/sessions=%d %s %.2f (%.0f ns)\n", strings.TrimLeft(strings.Split(work, "?")[0], "/"), n, name, c[2]/median(cost["sessile"]), c[2])
			}
		}
	}
}

func median(c []float64) float64 {
	c = slices.Sorted(slices.Values(c))
	return c[len(c)/2]
}
