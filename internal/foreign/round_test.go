//go:build linux

package foreign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

const (
	patience = 300 * time.Millisecond // timeout of a call during trouble
	slack    = time.Second            // how much longer a call may take on a noisy machine
	recovery = 5 * time.Second        // limit for the recovery after the file is back
	stuck    = 60 * time.Second       // limit for a whole round
)

// round is a store, its clients, and what other programs do to its file.
type round struct {
	t         *testing.T
	ctx       context.Context // of the test
	rand      *rand.Rand
	dir       string // of the round
	path      string // of the session file, in its own directory
	setup     harness.Setup
	store     *sessile.Store
	file      os.FileInfo // as the store created it
	history   history
	health    healthLog
	workers   []*worker
	targets   targets
	actions   []*action
	later     []func() error // to undo after the recovery
	foreign   bool           // another program has changed rows
	errors    atomic.Int64   // of the clients' calls
	ended     time.Time      // when the other programs had finished
	rewritten time.Time      // when a backup had been written over the rows
	said      time.Time      // when the store then reported a failure, zero = never

	mu        sync.Mutex
	found     []ledger.Violation
	log       string
	recovered time.Duration
}

// worker is a client at work. The holder of mu may use the client.
type worker struct {
	mu   sync.Mutex
	c    *harness.Client
	rand *rand.Rand
}

func (r *round) report(k ledger.Kind, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, ledger.Violation{Kind: k, What: fmt.Sprintf(format, args...)})
}

func (r *round) add(found []ledger.Violation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, found...)
}

// note logs what the other programs do, for debugging.
func (r *round) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log += "\n  " + time.Now().Format(clock) + " " + fmt.Sprintf(format, args...)
}

// newRound creates a round from its seed: the actions and the configuration.
func newRound(t *testing.T, seed uint64, setup harness.Setup, only string) *round {
	t.Helper()
	dir, err := harness.Dir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &round{history: history{began: make(map[string]time.Time)}, t: t, ctx: t.Context(), rand: rand.New(rand.NewPCG(seed, 16)), dir: dir, setup: setup}
	r.path = filepath.Join(dir, "data", "s.db")
	r.actions = choose(r.rand, only)
	r.setup.Path, r.setup.Max = r.path, 20
	r.setup.Hot = []int{10, 1000}[r.rand.IntN(2)]
	if err := os.Mkdir(filepath.Dir(r.path), 0o700); err != nil {
		t.Fatal(err)
	}
	return r
}

// play plays the round to its end and returns the violations.
func (r *round) play() []ledger.Violation {
	r.t.Helper()
	began := time.Now()
	watchdog := time.AfterFunc(stuck, func() { panic(r.t.Name() + " hangs" + r.log + r.health.String()) })
	defer watchdog.Stop()
	other := newUnrelated(r)
	if r.actions[0].volume {
		if err := mount(r.t, filepath.Dir(r.path)); err != nil {
			r.t.Fatal(err)
		}
	}
	r.open()
	r.startClients()
	for _, w := range r.workers {
		for range 10 {
			w.c.Step(w.rand)
		}
	}
	if err := r.checkpointSometimes(); err != nil {
		r.t.Fatal(err)
	}
	r.targets.r = r
	r.targets.create(r.client("target"))
	stop := r.work()
	r.interfere(stop)
	other.check()
	for _, w := range r.workers {
		r.add(w.c.Found())
	}
	return slices.DeleteFunc(r.found, func(b ledger.Violation) bool {
		return b.Kind == ledger.Late && machine.stalledSince(began) // then the machine may be the reason
	})
}

// foreignWrite is why a store may be degraded for a while after another program has written.
const foreignWrite = "another program has written"

// checkpointSometimes empties the WAL in half of the rounds. Otherwise most data would be only in the WAL.
func (r *round) checkpointSometimes() error {
	if r.rand.IntN(2) == 0 {
		return nil
	}
	r.foreign = true // to another connection, a restarted WAL looks like a write
	_, err := sql(r.path, `PRAGMA wal_checkpoint(TRUNCATE);`)
	return err
}

func (r *round) open() {
	r.t.Helper()
	var err error
	if r.store, err = r.setup.Open(r.ctx); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = r.store.Close() })
	if r.file, err = os.Stat(r.path); err != nil {
		r.t.Fatal(err)
	}
	r.health.look(r.store)
}

// startClients creates the clients.
func (r *round) startClients() {
	for i := range 2 {
		r.workers = append(r.workers, &worker{
			rand: rand.New(rand.NewPCG(r.rand.Uint64(), 17)),
			c:    r.client(fmt.Sprint("user", i)),
		})
	}
}

func (r *round) client(user string) *harness.Client {
	return &harness.Client{
		Store: r.store, User: user, Max: r.setup.Max, Slack: slack, Patience: recovery, Record: r.history.add,
		Trace: func(_ string, err error) {
			if err != nil && !errors.Is(err, sessile.ErrNotFound) && !errors.Is(err, sessile.ErrInGrace) {
				r.errors.Add(1)
			}
		},
	}
}

// work starts all workers and returns a function that stops them.
func (r *round) work() (stop func()) {
	over := make(chan struct{})
	var all sync.WaitGroup
	for _, w := range r.workers {
		w.c.Faulty, w.c.Patience = true, patience
		all.Go(func() { w.run(over) })
	}
	all.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(pollGap):
				r.health.look(r.store)
				r.targets.look()
			}
		}
	})
	return sync.OnceFunc(func() {
		close(over)
		all.Wait()
	})
}

func (w *worker) run(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(2+w.rand.IntN(25)) * time.Millisecond):
			w.mu.Lock()
			w.c.Step(w.rand)
			w.mu.Unlock()
		}
	}
}

// with runs f for every client while none of them is working.
func (r *round) with(f func(*harness.Client)) {
	for _, w := range r.workers {
		w.mu.Lock()
		f(w.c)
		w.mu.Unlock()
	}
}

// alone runs f while no client is working.
func (r *round) alone(f func()) {
	for _, w := range r.workers {
		w.mu.Lock()
		defer w.mu.Unlock()
	}
	f()
}

// until waits for a condition, at most for d.
func (r *round) until(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); ; {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		<-time.After(pollGap)
	}
}

// works reports whether the store works completely.
func (r *round) works() bool {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	h := r.health.look(r.store)
	if h.State != sessile.HealthOK && (!r.foreign || !strings.Contains(h.Reason, foreignWrite)) {
		return false
	}
	return r.store.Sync(ctx) == nil
}
