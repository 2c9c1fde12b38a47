package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// served is the result of a contestant behind a server in its own process, which shares the cores with wrk.
type served struct {
	Definition string  `json:"definition"`
	Work       string  `json:"work"`
	Contestant string  `json:"contestant"`
	Sessions   int     `json:"sessions"`
	PerSecond  float64 `json:"per_second"` // median of the rounds
	quantiles          // of the median round
	Seen       int     `json:"sessions_seen"` // whose cookies arrived in a run before
}

const connections = 64

// noWrk says how to get wrk, or is nil if it is installed.
func noWrk() error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk is not installed (Debian: apt-get install wrk): HTTP is left out")
	}
	return nil
}

// httpWork is a kind of request over HTTP.
type httpWork struct {
	name, path string
	hot        bool // memory for one session in a hundred
	who        []contestant
}

func httpWorks() []httpWork {
	all := named("sessile", "floor", "scs-memstore", "scs-memstore-json")
	return []httpWork{
		{"http read", "/read", false, all},
		{"http set", "/set?value", false, all},
		{"http cold", "/read", true, named("sessile", "floor", "scs-sqlite-NORMAL-json", "scs-redis-json")},
	}
}

// overHTTP measures the works with wrk.
func overHTTP(t *testing.T, works []httpWork, sessions, rounds int, each time.Duration) (list []served) {
	t.Helper()
	if err := noWrk(); err != nil {
		fmt.Println(err)
		t.Skip(err)
	}
	for _, w := range works {
		t.Run(w.name, func(t *testing.T) { list = append(list, w.measure(t, sessions, rounds, each)...) })
	}
	return list
}

// measure starts a server for each contestant and sends requests to them in turns.
func (w httpWork) measure(t *testing.T, sessions, rounds int, each time.Duration) (list []served) {
	t.Helper()
	var servers []*process
	for _, k := range w.who {
		if strings.HasPrefix(k.name, "scs-redis") && redisServer() == "" {
			continue
		}
		servers = append(servers, startServer(t, k.name, sessions, w.hot))
	}
	runs := make([][]served, len(servers))
	seen := make([]int, len(servers))
	for i, p := range servers {
		seen[i] = p.checkCookies(w, sessions, each)
	}
	for range rounds {
		for _, i := range rand.Perm(len(servers)) {
			runs[i] = append(runs[i], servers[i].wrk(w.path, each))
		}
	}
	for i, p := range servers {
		slices.SortFunc(runs[i], func(a, b served) int { return int(a.PerSecond - b.PerSecond) })
		x := runs[i][len(runs[i])/2]
		x.Work, x.Contestant, x.Sessions, x.Seen = w.name, p.name, sessions, seen[i]
		fmt.Printf("%s/sessions=%d %s: %.0f/s, p50 %.0f us, p99 %.0f us; cookies of %d sessions\n", w.name, sessions, p.name, x.PerSecond, x.P50US, x.P99US, x.Seen)
		list = append(list, x)
	}
	return list
}

// process is a server in a process of its own.
type process struct {
	t          *testing.T
	name, base string
	cookies    string
}

// startServer starts this program as a server, and ends it with the test.
func startServer(t *testing.T, name string, sessions int, hot bool) *process {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-test.run=^TestServe$", "-test.timeout=2h", "-serve=" + name, fmt.Sprint("-serve.users=", sessions), "-serve.dir=" + dir}
	if hot {
		args = append(args, fmt.Sprint("-serve.hot=", hotSet(sessions).hot))
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	c := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	c.Stderr = os.Stderr
	input, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		if err := errors.Join(input.Close(), <-ended); err != nil {
			t.Error(name, err)
		}
	})
	for {
		if address, err := os.ReadFile(filepath.Join(dir, "address")); err == nil {
			return &process{t, name, "http://" + string(address), filepath.Join(dir, "cookies")}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the server of %s ended: %v", name, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// wrk sends requests for a while, as fast as they are answered.
func (p *process) wrk(path string, each time.Duration) (x served) {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), "wrk", "-t1", fmt.Sprint("-c", connections), fmt.Sprintf("-d%ds", int(max(each, time.Second).Seconds())),
		"-s", "wrk.lua", p.base+path, "--", p.cookies, strconv.Itoa(rand.IntN(1<<30))).CombinedOutput()
	if err != nil {
		p.t.Fatalf("wrk: %v\n%s", err, out)
	}
	_, text, _ := strings.Cut(string(out), "RESULT ")
	var requests, us, failed float64
	if _, err := fmt.Sscan(text, &requests, &us, &failed, &x.P50US, &x.P99US, &x.P999US, &x.MaxUS); err != nil {
		p.t.Fatalf("wrk: %v\n%s", err, out)
	}
	if failed > 0 || requests == 0 {
		p.t.Fatalf("%s: %.0f of %.0f requests failed\n%s", p.name, failed, requests, out)
	}
	x.PerSecond = requests / us * 1e6
	return x
}

// checkCookies lets wrk run once while the server counts the cookies. There must be as many as it can have sent.
func (p *process) checkCookies(w httpWork, sessions int, each time.Duration) (seen int) {
	p.t.Helper()
	p.get(censusStart)
	x := p.wrk(w.path, each)
	var strange int
	if _, err := fmt.Sscan(p.get(censusEnd), &seen, &strange); err != nil {
		p.t.Fatal(err)
	}
	sent := int(x.PerSecond * max(each, time.Second).Seconds() * 0.9)
	if strange > 0 || !w.hot && seen < min(sent, sessions) || seen > sessions {
		p.t.Errorf("%s got cookies of %d sessions of %d in some %d requests, %d without a cookie", p.name, seen, sessions, sent, strange)
	}
	return seen
}

func (p *process) get(path string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.base+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// TestWrkSendsTheCookiesOfAllSessions drives a server of the floor for a second.
func TestWrkSendsTheCookiesOfAllSessions(t *testing.T) {
	if err := noWrk(); err != nil {
		t.Skip(err)
	}
	const sessions = 500
	p := startServer(t, "floor", sessions, false)
	if n := p.checkCookies(httpWork{path: "/read"}, sessions, time.Second); n != sessions {
		t.Errorf("the server got cookies of %d sessions, not %d", n, sessions)
	}
}
