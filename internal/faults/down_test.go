package faults

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

// The clock belongs to a bubble, so that minutes take seconds.
var downTime = flag.Duration("down", 10*time.Minute, "how long the disk takes no write")

const (
	crowd = 8   // concurrent clients
	queue = 500 // limit of pending changes
)

// down is a store whose disk fails for minutes, together with its users.
type down struct {
	store   *sessile.Store
	mu      sync.Mutex
	ledger  *ledger.Ledger
	clients []*harness.Client
	calls   int
	found   []string
}

func (d *down) record(n ledger.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.ledger.Add(n)
}

func (d *down) report(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = append(d.found, fmt.Sprintf(format, args...))
}

// work makes every client act about twenty times a second for total.
func (d *down) work(faulty bool, total time.Duration) {
	end := time.Now().Add(total)
	var all sync.WaitGroup
	for i, c := range d.clients {
		c.Faulty = faulty
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), uint64(end.Unix())))
			for time.Now().Before(end) {
				c.Step(r)
				<-time.After(time.Duration(r.IntN(100)) * time.Millisecond)
			}
		})
	}
	all.Wait()
}

// watch checks the bounds of the store every second. It returns when the store first reported that it is
// degraded, and that it has failed.
func (d *down) watch(total time.Duration) (degraded, failed time.Duration) {
	began, before := time.Now(), runtime.NumGoroutine()
	for time.Since(began) < total {
		<-time.After(100 * time.Millisecond)
		stats, health := d.store.Stats(), d.store.Health()
		if stats.Pending > queue+crowd || stats.Hot > queue+100 || stats.Tombstones > 10*queue || stats.Loads > crowd {
			d.report("a bound does not hold: %+v", stats)
		}
		if n := runtime.NumGoroutine(); n > before+4*crowd {
			d.report("%d goroutines, there were %d", n, before)
		}
		if health.State != sessile.HealthOK && degraded == 0 {
			degraded = time.Since(began)
		}
		if health.State == sessile.HealthFailed && failed == 0 {
			failed = time.Since(began)
		}
	}
	return degraded, failed
}

// recovered waits until the store has written everything, at most for limit.
func (d *down) recovered(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	if err := d.store.Sync(ctx); err != nil {
		d.report("it has not recovered after %v: %v", time.Since(began), err)
	}
	if h := d.store.Health(); h.State != sessile.HealthOK {
		d.report("it calls itself %v after the recovery: %s", h.State, h.Reason)
	}
}

// check compares the store with the ledger and reports the violations.
func (d *down) check(when string) {
	for _, b := range d.ledger.Check(context.Background(), d.store, ledger.Settled) {
		d.report("%s: %v", when, b)
	}
}

// The disk accepts no write for ten minutes under load. Refused sessions stay refused. Pending changes are
// bounded. The store reports the failure within two seconds. Afterwards it writes everything that was
// acknowledged.
func TestDiskDownForMinutesLosesNothing(t *testing.T) { // D13, D20, I7, R13
	d, degraded, failed := duringDown(t, false)
	for _, f := range d.found {
		t.Error(f)
	}
	if degraded == 0 || degraded > 2*time.Second || *downTime > 2*time.Minute && (failed == 0 || failed > 65*time.Second) {
		t.Errorf("degraded after %v, failed after %v", degraded, failed)
	}
	t.Logf("%v without a write, %d clients, %d entries of them, %d sessions; degraded after %v, failed after %v", *downTime, crowd, d.calls, d.ledger.Len(), degraded, failed)
}

// Negative control: a store that acknowledges destroys too early.
func TestDiskDownNoticesABrokenStore(t *testing.T) {
	d, _, _ := duringDown(t, true)
	n := 0
	for _, f := range d.found {
		if strings.Contains(f, string(ledger.Undone)) {
			n++
		}
	}
	if n == 0 {
		t.Errorf("not noticed: %v", d.found)
	}
	t.Logf("%d destroys are undone", n)
}

func duringDown(t *testing.T, broken bool) (d *down, degraded, failed time.Duration) {
	t.Helper()
	l := newSweeper(t)
	setup := harness.Setup{Path: filepath.Join(l.dir, "s.db"), VFS: l.vfs.Name, Hot: 50, Max: 10, Adjust: func(c *sessile.Config) { c.MaxPending = queue }}
	if broken {
		setup.Wrap = harness.EarlyDestroys
	}
	d = &down{ledger: ledger.New()}
	synctest.Test(t, func(t *testing.T) {
		var err error
		if d.store, err = setup.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i := range crowd {
			d.clients = append(d.clients, &harness.Client{Store: d.store, User: fmt.Sprint("user", i), Max: setup.Max, Patience: time.Second, Record: d.record})
		}
		d.work(false, 5*time.Second)
		l.vfs.Set(func(c faultvfs.Call) (v faultvfs.Verdict) {
			if c.Op == faultvfs.Write || c.Op == faultvfs.Sync || c.Op == faultvfs.Truncate {
				v.Code = faultvfs.WriteFails
			}
			return v
		})
		var watcher sync.WaitGroup
		watcher.Go(func() { degraded, failed = d.watch(*downTime) })
		d.work(true, *downTime)
		watcher.Wait()
		l.vfs.Set(nil)
		d.recovered(recovery)
		d.work(false, 5*time.Second)
		d.recovered(time.Second)
		d.check("afterwards")
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
		setup.Wrap = nil
		if d.store, err = setup.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		d.check("reopened")
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
	for _, b := range ledger.Integrity(setup.Path) {
		d.report("%v", b)
	}
	for _, c := range d.clients {
		for _, b := range c.Found() {
			d.report("%v", b)
		}
	}
	return d, degraded, failed
}
