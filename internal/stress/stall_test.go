package stress

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"
)

var stallTime = flag.Duration("stress.stall", 500*time.Millisecond, "how long the disk stalls, in real time")

const (
	stallReaders  = 8
	stallSessions = 64 // shared by all clients
	inARow        = 20 // reads between two pauses
)

// phase is a part of the test. Latencies are reported for each.
type phase int32

const (
	normal phase = iota
	stalling
	after
	phases
)

// stalls is a store on a disk that stalls, with its users.
type stalls struct {
	*testing.T
	store *sessile.Store
	hot   []client // the sessions that are read, plus three for the durable calls
	phase atomic.Int32

	mu      sync.Mutex
	reads   [phases][]time.Duration
	changes [phases][]time.Duration
	faults  []string
}

func (s *stalls) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// In real time, a stalled disk delays nobody who reads or changes sessions in memory. Durable calls return at
// their deadline. Delayed changes are written soon afterwards. The test reports all latencies and judges them
// only by the second.
func TestStressStallDoesNotDelayHotReads(t *testing.T) { // D16, R11
	for _, f := range stalled(t, 0, false) {
		t.Error(f)
	}
}

// Negative control: room for one session in memory, and a disk that stalls reads too.
func TestStressStallNoticesAStoreThatReadsTheDisk(t *testing.T) {
	faults := stalled(t, 1, true)
	if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, "a hot read") }) {
		t.Errorf("not noticed: %v", faults)
	}
	t.Log(faults[:min(len(faults), 2)])
}

// stalled stalls a disk under load and returns the failures.
func stalled(t *testing.T, inMemory int, readsToo bool) []string {
	t.Helper()
	vfs := faultvfs.New(strings.ReplaceAll(t.Name(), "/", "-"))
	setup := harness.Setup{
		Path: filepath.Join(t.TempDir(), "s.db"), VFS: vfs.Name, Hot: inMemory, Max: 1000,
		Adjust: func(c *sessile.Config) { c.BatchInterval = 20 * time.Millisecond },
	}
	var until atomic.Int64
	if readsToo {
		setup.Wrap = func(db *sqlite.DB) persist.Backend { return stuckReads(db, &until) }
	}
	store, err := setup.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &stalls{T: t, store: store, hot: make([]client, stallSessions+3)}
	for i := range s.hot {
		x, token, err := store.Create(t.Context(), sessile.Meta{}, fmt.Sprint("user", i), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.hot[i].id, s.hot[i].token = x.ID(), token
	}
	end := make(chan struct{})
	var users sync.WaitGroup
	for n := range stallReaders {
		users.Go(func() { s.readUntil(end, n) })
	}
	<-time.After(*stallTime)
	until.Store(time.Now().Add(*stallTime).UnixNano())
	vfs.Set(stall(time.Now().Add(*stallTime), readsToo))
	s.phase.Store(int32(stalling))
	began := time.Now()
	s.durable(*stallTime / 2)
	<-time.After(time.Until(began.Add(*stallTime)))
	s.phase.Store(int32(after))
	s.caughtUp()
	<-time.After(*stallTime / 2)
	close(end)
	users.Wait()
	vfs.Set(nil)
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	s.tell()
	return s.faults
}

// stuckReads stalls reads until a time, including those that SQLite's own cache could answer.
func stuckReads(db *sqlite.DB, until *atomic.Int64) persist.Backend {
	return harness.Broken(db, persisttest.Hooks{Before: persisttest.On(persisttest.ByHash, func(*persisttest.Call) {
		<-time.After(time.Until(time.Unix(0, until.Load())))
	})})
}

// stall blocks every write, sync and truncate, and optionally reads, until end.
func stall(end time.Time, readsToo bool) faultvfs.Hook {
	return func(c faultvfs.Call) faultvfs.Verdict {
		if c.Op == faultvfs.Lock || c.Op == faultvfs.Open || c.Op == faultvfs.Read && !readsToo {
			return faultvfs.Verdict{}
		}
		return faultvfs.Verdict{Delay: time.Until(end)}
	}
}

// readUntil reads hot sessions and sometimes changes one, like a server.
func (s *stalls) readUntil(end chan struct{}, n int) {
	for i := n; ; i++ {
		c := &s.hot[i%stallSessions]
		for range inARow {
			s.read(c)
		}
		s.change(c, i)
		select {
		case <-time.After(time.Millisecond):
		case <-end:
			return
		}
	}
}

// read reads a hot session. It must not wait for the disk.
func (s *stalls) read(c *client) {
	ctx, cancel := context.WithTimeout(context.Background(), *stallTime/2)
	defer cancel()
	p, began := s.phase.Load(), time.Now()
	_, err := s.store.ReadByToken(ctx, c.token)
	d := time.Since(began)
	if err != nil {
		s.fault("a hot read failed: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads[p] = append(s.reads[p], d)
}

func (s *stalls) change(c *client, n int) {
	p, began := s.phase.Load(), time.Now()
	_, err := s.store.Update(context.Background(), c.id, new(sessile.Changes).Set("n", n))
	d := time.Since(began)
	if err != nil || d > *stallTime/2+slack {
		s.fault("a change in memory took %v: %v", d, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes[p] = append(s.changes[p], d)
}

// durable makes every kind of durable call during the stall. Each must return at its deadline.
func (s *stalls) durable(patience time.Duration) {
	calls := map[string]func(context.Context) error{
		"create": func(ctx context.Context) error {
			_, _, err := s.store.Create(ctx, sessile.Meta{}, "newcomer", nil)
			return err
		},
		"rotate": func(ctx context.Context) error {
			_, err := s.store.RotateToken(ctx, s.hot[stallSessions].id)
			return err
		},
		"durable update": func(ctx context.Context) error {
			_, err := s.store.UpdateDurable(ctx, s.hot[stallSessions+1].id, new(sessile.Changes).Set("n", 1))
			return err
		},
		"destroy": func(ctx context.Context) error { return s.store.Destroy(ctx, s.hot[stallSessions+2].id) },
		"sync":    s.store.Sync,
	}
	var group sync.WaitGroup
	defer group.Wait()
	for what, f := range calls {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			began := time.Now()
			err := f(ctx)
			if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d > patience+slack {
				s.fault("%s ended after %v of %v: %v", what, d, patience, err)
			} else {
				s.Logf("%s: %v after its deadline: %v", what, (d - patience).Round(10*time.Microsecond), err)
			}
		})
	}
}

// caughtUp waits until everything is written.
func (s *stalls) caughtUp() {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.store.Sync(ctx); err != nil {
		s.fault("it has not caught up after %v: %v", time.Since(began), err)
	}
	s.Logf("what a stall of %v held up is written %v after it", *stallTime, time.Since(began).Round(time.Millisecond))
}

func (s *stalls) tell() {
	for p, name := range []string{normal: "before", stalling: "in the stall", after: "after it"} {
		s.Logf("%s: %d hot reads %s, %d changes %s", name, len(s.reads[p]), quantiles(s.reads[p]), len(s.changes[p]), quantiles(s.changes[p]))
	}
	if before, in := s.reads[normal], s.reads[stalling]; len(before) > 0 && len(in) > 0 {
		s.Logf("hot reads in the stall took %.2f (p50) and %.2f (p99) times as long as before",
			float64(in[len(in)/2])/float64(before[len(before)/2]), float64(in[len(in)*99/100])/float64(before[len(before)*99/100]))
	}
}
