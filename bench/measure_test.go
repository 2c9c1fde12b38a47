package bench

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// work is a kind of request, or a mix.
type work struct {
	name   string
	target string
	touch  bool
	mixed  bool // 95 reads, 4 sets, 1 login with logout
	churn  bool // a login and its logout
	slow   bool // waits for a disk: measured for longer
	zipf   bool // a few sessions get most requests
	logins bool // an open loop of logins runs beside it
}

func works() []work {
	return []work{
		{name: "read", target: "/read"},
		{name: "set", target: "/set?value"},
		{name: "touch", target: "/read", touch: true, slow: true},
		{name: "mix", target: "/read", mixed: true, slow: true},
		{name: "login+logout", target: "/read", churn: true, slow: true},
	}
}

// sink is a response writer that costs nothing.
type sink struct {
	h    http.Header
	code int // 0: the handler wrote none
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(code int)        { s.code = code }

// worker is one client that sends requests as fast as it can.
type worker struct {
	s        *site
	w        work
	rng      *rand.Rand
	sink     sink
	request  *http.Request
	set      *http.Request
	sessions *drawn
	asked    int
	refused  int    // answers with status 500 or more
	login    string // path of the login of a user of its own
}

// crew is the set of clients of one workload on one contestant.
type crew struct{ workers []*worker }

func newCrew(s *site, w work, clients int) *crew {
	return newCrewOf(s, w, clients, newDrawn(s, w.zipf))
}

// newCrewOf draws from given sessions.
func newCrewOf(s *site, w work, clients int, sessions *drawn) *crew {
	c := new(crew)
	for i := range clients {
		c.workers = append(c.workers, &worker{
			s: s, w: w, rng: rand.New(rand.NewPCG(uint64(i), 1)), sink: sink{h: http.Header{}},
			request: s.request(w.target, "-"), set: s.request("/set?value", "-"),
			sessions: sessions, asked: i << 20 / clients, login: fmt.Sprint("/login?own", i),
		})
	}
	return c
}

func (x *worker) step() {
	r := x.request
	if k := x.rng.Uint32N(100); x.w.mixed && k < 5 || x.w.churn {
		if k == 0 || x.w.churn {
			x.count(x.s.visit(x.login, true))
			return
		}
		r = x.set
	}
	r.Header["Cookie"][0] = x.sessions.header(x.asked)
	x.asked++
	clear(x.sink.h)
	x.sink.code = 0
	x.s.handler.ServeHTTP(&x.sink, r)
	x.count(x.sink.code)
}

// count counts a refused request.
func (x *worker) count(status int) {
	if status >= http.StatusInternalServerError {
		x.refused++
	}
}

// round returns the time of a request in nanoseconds, over all clients.
func (c *crew) round(d time.Duration) float64 {
	var group sync.WaitGroup
	counts := make([]int, len(c.workers))
	began := time.Now()
	for i, x := range c.workers {
		group.Go(func() {
			for time.Since(began) < d {
				for range 8 {
					x.step()
				}
				counts[i] += 8
			}
		})
	}
	group.Wait()
	n := 0
	for _, k := range counts {
		n += k
	}
	return float64(time.Since(began).Nanoseconds()) / float64(n)
}

// result is the cost of a request in nanoseconds.
type result struct {
	Definition string  `json:"definition"`
	Work       string  `json:"work"`
	Contestant string  `json:"contestant"`
	Clients    int     `json:"clients"`
	Sessions   int     `json:"sessions"`
	Median     float64 `json:"median_ns"`
	Best       float64 `json:"best_ns"`
	ColdShare  float64 `json:"cold_share,omitempty"` // share of our reads that reached the disk
}

// sites returns every contestant that can run here, with that many users logged in.
func sites(tb testing.TB, users int, o options) (list []*site) {
	tb.Helper()
	for _, k := range contestants() {
		if s := newSite(tb, k, users, o); s != nil {
			list = append(list, s)
		}
	}
	return list
}

// of returns the sites that do the work. The limit of sessions matters only to logins.
func (w work) of(list []*site) []*site {
	if w.mixed || w.churn {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(s *site) bool { return s.name == limited })
}

// compare measures a workload for all contestants in turns of changing order. Other load on the machine then
// affects all alike, and the garbage of one contestant does not always burden the same other one.
func compare(list []*site, w work, clients, rounds int, each time.Duration) []result {
	var crews []*crew
	var results []result
	for _, s := range list {
		crews = append(crews, newCrew(s, w, clients))
		results = append(results, result{Work: w.name, Contestant: s.name, Clients: clients, Sessions: len(s.cookies)})
	}
	times := make([][]float64, len(crews))
	rng := rand.New(rand.NewPCG(uint64(len(w.name)), uint64(clients)))
	for range rounds {
		for _, i := range rng.Perm(len(crews)) {
			times[i] = append(times[i], crews[i].round(each))
			list[i].settle()
		}
	}
	for i, t := range times {
		slices.Sort(t)
		results[i].Median, results[i].Best = t[len(t)/2], t[0]
	}
	return results
}
