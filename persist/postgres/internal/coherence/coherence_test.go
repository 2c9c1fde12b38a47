//go:build unix

package coherence

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

var length = flag.Duration("coherence.time", 4*time.Second, "how long the nodes work")

// shared is the server.
var shared *postgrestest.Shared

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(environment); ok {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(onServer(m.Run))
}

func onServer(tests func() int) int {
	var err error
	if shared, err = postgrestest.Share(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.Stop()
	return tests()
}

// run is several nodes at work.
type run struct {
	schema       string
	nodes        []*node
	checker      *checker
	disturbances []disturbance
	kills        bool // processes are killed too
	epoch        time.Time
	ctx          context.Context // ends with the work

	mu     sync.Mutex
	faults map[string]int
}

func newRun(t *testing.T, nodes int, f fault, disturbances []disturbance) *run {
	t.Helper()
	r := &run{
		schema: shared.Schema(t), epoch: time.Now(), checker: newChecker(persist.DefaultLease), disturbances: disturbances,
		faults: make(map[string]int),
	}
	for range nodes {
		r.nodes = append(r.nodes, newNode(t, r.schema, f, r.epoch))
	}
	return r
}

func (r *run) count(fault string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[fault]++
}

// waits lets time pass, and reports whether the work goes on.
func (r *run) waits(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.ctx.Done():
		return false
	}
}

// work has the nodes work until ctx ends.
func (r *run) work(ctx context.Context) {
	r.ctx = ctx
	var all sync.WaitGroup
	each := func(i, times int, do func(rng *rand.Rand, worker int)) {
		for worker := range times {
			rng := rand.New(rand.NewPCG(rand.Uint64(), uint64(i)))
			all.Go(func() { do(rng, worker) })
		}
	}
	for i, n := range r.nodes {
		each(i, 4, func(rng *rand.Rand, worker int) {
			for r.waits(time.Duration(rng.Int64N(int64(20 * time.Millisecond)))) {
				r.carryOut(r.checker.plan(rng, i, fmt.Sprintf("n%dw%d", i, worker)), n)
			}
		})
		each(i, 3, func(rng *rand.Rand, _ int) {
			for r.waits(time.Duration(rng.Int64N(int64(8 * time.Millisecond)))) {
				r.read(i, n, rng)
			}
		})
		each(i, 1, func(*rand.Rand, int) {
			for r.waits(10 * time.Millisecond) {
				r.carryOut(r.checker.barrier(), n)
			}
		})
		each(i, 1, func(rng *rand.Rand, _ int) { r.disturb(n, rng) })
	}
	all.Wait()
}

// read reads a token on a node, now and then with Verify.
func (r *run) read(i int, n *node, rng *rand.Rand) {
	t, floor := r.checker.drawRead(rng, time.Since(r.epoch))
	if t == nil {
		return
	}
	how := read
	if rng.IntN(10) == 0 {
		how = verify
	}
	r.checker.checkRead(how, i, t, floor, n.call(request{Verb: how, Token: t.text}))
}

// String tells what was done and seen.
func (r *run) String() string {
	c := r.checker
	c.mu.Lock()
	defer c.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	list := func(l []string) string { return strings.Join(l, ", ") }
	var calls, faults []string
	for _, v := range slices.Sorted(maps.Keys(c.calls)) {
		calls = append(calls, fmt.Sprintf("%d %s", c.calls[v], v))
	}
	for _, f := range slices.Sorted(maps.Keys(r.faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", f, r.faults[f]))
	}
	return fmt.Sprintf("%s; %d tokens, %d of them ended; %d reads served, %d of them began after the acknowledged end, the latest %v after it; faults: %s; breaches %v",
		list(calls), len(c.all), len(c.ended), c.served, c.stale, c.latest.Round(time.Millisecond), list(faults), c.breaches)
}

// TestCoherenceHoldsAcrossProcesses checks what nodes serve while everything around them fails.
func TestCoherenceHoldsAcrossProcesses(t *testing.T) {
	t.Parallel()
	r := newRun(t, 3, none, allFaults())
	r.kills = true
	ctx, cancel := context.WithTimeout(t.Context(), *length)
	defer cancel()
	r.work(ctx)
	r.settle(t)
	t.Logf("%v: %v", *length, r)
	c := r.checker
	for _, text := range c.texts {
		t.Error(text)
	}
	if c.served < c.calls[read]/20 || len(c.ended) == 0 || c.stale == 0 && *length >= time.Minute {
		t.Error("the run has shown nothing")
	}
}

// TestCoherenceNoticesABrokenNode is the negative control.
func TestCoherenceNoticesABrokenNode(t *testing.T) {
	t.Parallel()
	for f, want := range map[fault]breach{
		leaseWithoutEnd:        servedLate,
		keptRows:               servedLate,
		touchesThatInsert:      servedLate,
		blindWrites:            updateLost,
		barrierThatDoesNotWait: servedBarrier,
	} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			r := newRun(t, 2, f, feedFaults())
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				for ctx.Err() == nil {
					select {
					case what := <-r.checker.noticed:
						if what == want {
							cancel()
						}
					case <-ctx.Done():
					}
				}
			}()
			began := time.Now()
			r.work(ctx)
			if r.checker.breaches[want] == 0 {
				t.Fatalf("not noticed: %v", r)
			}
			t.Logf("noticed after %v: %v", time.Since(began).Round(time.Millisecond), r.checker.breaches)
		})
	}
}
