package failover

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

var rounds = flag.Int("failover.rounds", 2, "failovers; the server is killed twice as often")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}

// node is a store, which is opened once.
type node struct {
	*sessile.Store
	name string

	mu    sync.Mutex
	from  time.Time      // calls that begin later show that the node works again
	works chan time.Time // when the first of them was acknowledged; has room for one
}

// openNode opens a node.
func openNode(t *testing.T, name string, cfg postgres.Config) *node {
	t.Helper()
	db, err := postgres.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sessile.New(db, sessile.Config{
		MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup, CacheSize: 100, CloseTimeout: time.Second,
		Logger: zap.NewNop(), // its server often fails on purpose
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Store: store, name: name, works: make(chan time.Time, 1)}
	t.Cleanup(func() { _ = store.Close() })
	return n
}

// failsFrom has the node watch for the first acknowledgement of a call that begins after an instant.
func (n *node) failsFrom(at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.from, n.works = at, make(chan time.Time, 1)
}

// acknowledged notes a call that was acknowledged.
func (n *node) acknowledged(began time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.from.IsZero() && began.After(n.from) {
		n.from = time.Time{}
		n.works <- time.Now()
	}
}

// fleet is two nodes, their clients, and what those were told.
type fleet struct {
	*testing.T
	*report
	nodes   []*node
	clients []*client
	auditor postgres.Config // how to open a store without a memory
	stop    chan struct{}
	running sync.WaitGroup
	began   time.Time // of the round

	// How long it took until a node worked again, since the fault and since a server takes writes, and until its health is ok.
	outages, recoveries, healths []time.Duration
}

// newFleet opens two nodes with four clients each.
func newFleet(t *testing.T, a, b postgres.Config) *fleet {
	t.Helper()
	f := &fleet{T: t, report: newReport(), auditor: a}
	f.nodes = []*node{openNode(t, "node A", a), openNode(t, "node B", b)}
	for i := range 8 {
		f.clients = append(f.clients, newClient(f.report, i, f.nodes[i%2], f.nodes[(i+1)%2]))
	}
	return f
}

// run starts the clients and returns when each has worked for a random while.
func (f *fleet) run() {
	f.Helper()
	f.stop, f.began = make(chan struct{}), time.Now()
	busy := make(chan struct{}, len(f.clients))
	for _, c := range f.clients {
		f.running.Go(func() { c.work(f.stop, busy) })
	}
	for range f.clients {
		select {
		case <-busy:
		case <-time.After(time.Minute):
			f.Fatalf("the clients do not work: %v", f.report)
		}
	}
	<-time.After(rand.N(300 * time.Millisecond))
}

// work makes calls until stop is closed. It tells when there is something to lose.
func (c *client) work(stop, busy chan struct{}) {
	for done := 0; ; {
		select {
		case <-stop:
			return
		default:
		}
		if c.step() {
			<-time.After(5 * time.Millisecond)
			continue
		}
		if done++; done == 50 {
			busy <- struct{}{}
		}
	}
}

// pause stops the clients.
func (f *fleet) pause() {
	close(f.stop)
	f.running.Wait()
}

// fails has every node watch for the first acknowledgement from now on. No server takes writes.
func (f *fleet) fails() {
	for _, n := range f.nodes {
		n.failsFrom(time.Now())
	}
}

// recovered waits until clients at each node work and its health is ok, and notes how long that took.
func (f *fleet) recovered(fault, ready time.Time) {
	f.Helper()
	for _, n := range f.nodes {
		select {
		case at := <-n.works:
			f.outages = append(f.outages, at.Sub(fault))
			f.recoveries = append(f.recoveries, max(0, at.Sub(ready)))
		case <-time.After(time.Minute):
			f.Fatalf("%s does not work a minute after the server does: %+v", n.name, n.Health())
		}
	}
	for _, n := range f.nodes {
		f.until(n.name+" is healthy", func() bool { return n.Health().State == sessile.HealthOK })
		f.healths = append(f.healths, time.Since(ready))
	}
}

// until waits for something.
func (f *fleet) until(what string, ok func() bool) {
	f.Helper()
	for end := time.Now().Add(time.Minute); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("%s: not within a minute (%v)", what, f.report)
		}
	}
}

// check compares both nodes and the database with what was acknowledged. Nobody makes calls.
func (f *fleet) check() {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), time.Minute)
	defer cancel()
	for _, n := range f.nodes {
		if err := n.Sync(ctx); err != nil {
			f.breach(unreadable, "%s: Sync: %v", n.name, err)
		}
		if err := n.Barrier(ctx); err != nil {
			f.breach(unreadable, "%s: Barrier: %v", n.name, err)
		}
		if h := n.Health(); h.State != sessile.HealthOK {
			f.breach(unreadable, "%s calls itself %v: %s (%v)", n.name, h.State, h.Reason, h.LastError)
		}
	}
	f.Run("audit", func(t *testing.T) { // which closes its store
		stores := append(slices.Clone(f.nodes), openNode(t, "the database", f.auditor))
		var all sync.WaitGroup
		for _, c := range f.clients {
			all.Go(func() {
				for _, n := range stores {
					c.check(ctx, n.Store, n.name, f.began)
				}
			})
		}
		all.Wait()
	})
}

// judge fails the test if a promise was broken, and logs the figures.
func (f *fleet) judge(what string) {
	f.Helper()
	f.Logf("%s: %v, %d breaches; out of work for %v; after the server takes writes a write is acknowledged in %v, and health is ok in %v",
		what, f.report, len(f.all()), spread(f.outages), spread(f.recoveries), spread(f.healths))
	l := f.all()
	for _, b := range l[:min(len(l), 20)] {
		f.Error(b)
	}
	if len(l) > 20 {
		f.Errorf("and %d more", len(l)-20)
	}
}

// spread is the median and the longest of some durations.
func spread(l []time.Duration) string {
	if len(l) == 0 {
		return "never"
	}
	s := slices.Sorted(slices.Values(l))
	return fmt.Sprintf("%v (at most %v)", s[len(s)/2].Round(time.Millisecond), s[len(s)-1].Round(time.Millisecond))
}

// server starts a server of the test's own, whose commits wait for the disk.
func server(t *testing.T, settings ...string) *postgrestest.Server {
	t.Helper()
	s, err := postgrestest.Start(append([]string{"fsync=on"}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// through starts a proxy in front of an address.
func through(t *testing.T, addr string) *postgrestest.Proxy {
	t.Helper()
	p, err := postgrestest.NewProxy(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
