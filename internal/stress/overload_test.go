package stress

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

var overload = flag.Duration("stress.overload", 4*time.Second, "how long ten times the load that the store can take lasts")

const (
	cached   = 400 // sessions in memory, of 4,000
	sessions = 4000
	pending  = 200    // changes that may wait
	inFlight = 20_000 // calls at once: a server has no more connections
	deadline = time.Second
)

// client is one of the ids and tokens that the load is made of.
type client struct {
	id    sessile.ID
	token sessile.Token
	ended atomic.Bool
}

// load is what is offered to a store and what became of it.
type load struct {
	t       *testing.T
	store   *sessile.Store
	clients []client
	next    atomic.Int64 // of the clients, to be logged out

	mu        sync.Mutex
	accepted  []time.Duration // from the intended start
	refused   map[string]int
	unsent    int
	ends      int
	endErrors []error
}

func newLoad(t *testing.T, store *sessile.Store) *load {
	t.Helper()
	l := &load{t: t, store: store, clients: make([]client, sessions), refused: map[string]int{}}
	var all sync.WaitGroup
	for part := range slices.Chunk(l.clients, sessions/64) {
		all.Go(func() {
			for i := range part {
				s, token, err := store.Create(context.Background(), sessile.Meta{}, fmt.Sprint("user", rand.IntN(1000)), nil)
				if err != nil {
					t.Error(err)
					return
				}
				part[i].id, part[i].token = s.ID, token
			}
		})
	}
	all.Wait()
	return l
}

// one makes one call of the mix: four in ten change data, three read, most of them
// from disk, and the rest log in, rotate and log out.
func (l *load) one(intended time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), intended.Add(deadline))
	defer cancel()
	c := &l.clients[rand.IntN(len(l.clients))]
	var err error
	switch k := rand.IntN(100); {
	case k < 40:
		_, err = l.store.Update(ctx, c.id, new(sessile.Changes).Set("n", make([]byte, 500)))
	case k < 70:
		_, err = l.store.ReadByToken(ctx, c.token)
	case k < 80:
		_, _, err = l.store.Create(ctx, sessile.Meta{}, "newcomer", nil)
	case k < 90:
		_, err = l.store.RotateToken(ctx, c.id)
		if err == nil {
			err = sessile.ErrNotFound // its token is unknown from here on: not counted
		}
	default:
		l.logout(ctx)
		return
	}
	l.note(intended, err)
}

// logout ends a session. Nothing but the context's end is an excuse, and then too
// the session is refused.
func (l *load) logout(ctx context.Context) {
	n := l.next.Add(1)
	if n > int64(len(l.clients)) {
		return
	}
	c := &l.clients[n-1]
	err := l.store.Destroy(ctx, c.id)
	if err == nil || errors.Is(err, sessile.ErrNotDurable) {
		c.ended.Store(true)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends++
	if err != nil && !errors.Is(err, sessile.ErrNotDurable) && !errors.Is(err, context.DeadlineExceeded) {
		l.endErrors = append(l.endErrors, err)
	}
}

func (l *load) note(intended time.Time, err error) {
	d := time.Since(intended)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.accepted = append(l.accepted, d)
	case errors.Is(err, sessile.ErrOverloaded):
		l.refused["overloaded"]++
	case errors.Is(err, context.DeadlineExceeded):
		l.refused["deadline"]++
	case !errors.Is(err, sessile.ErrNotFound) && !errors.Is(err, sessile.ErrConflict):
		l.refused["other"]++
		l.t.Error(err)
	}
}

// closed is how many calls a second succeed with eight callers that wait for each.
func (l *load) closed(total time.Duration) float64 {
	began := time.Now()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for time.Since(began) < total {
				l.one(time.Now())
			}
		})
	}
	all.Wait()
	n := len(l.accepted)
	l.accepted = nil
	return float64(n) / time.Since(began).Seconds()
}

// open offers so many calls a second, whatever becomes of them, and returns the
// largest heap, in bytes.
func (l *load) open(rate float64, total time.Duration) (heap uint64) {
	began := time.Now()
	var all sync.WaitGroup
	var active atomic.Int64
	sent := 0
	for time.Since(began) < total {
		for due := int(rate * time.Since(began).Seconds()); sent < due; sent++ {
			if active.Load() >= inFlight {
				l.unsent++
				continue
			}
			intended := began.Add(time.Duration(float64(sent) / rate * float64(time.Second)))
			active.Add(1)
			all.Go(func() {
				defer active.Add(-1)
				l.one(intended)
			})
		}
		heap = max(heap, liveHeap())
		<-time.After(time.Millisecond)
	}
	all.Wait()
	return heap
}

// liveHeap is what the heap held at the end of the last collection, in bytes.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Ten times the load that the store can take: what it refuses it refuses clearly,
// memory stays within its bounds, and no log-out is refused (R12, D13, D14).
func TestTenTimesTooMuch(t *testing.T) {
	for _, fault := range tooMuch(t, pending, *overload) {
		t.Error(fault)
	}
}

// The negative control: a store that lets any number of changes wait.
func TestTenTimesTooMuchNoticesAStoreWithoutBounds(t *testing.T) {
	faults := tooMuch(t, 1<<20, 4*time.Second)
	if len(faults) == 0 {
		t.Error("not noticed")
	}
	t.Log(faults)
}

// tooMuch offers ten times its load to a store where so many changes may wait, and
// returns what does not hold.
func tooMuch(t *testing.T, waiting int, total time.Duration) (faults []string) {
	t.Helper()
	store, err := sessile.Open(t.Context(), sessile.Config{
		Path: filepath.Join(t.TempDir(), "s.db"), CacheSize: cached, BatchSize: pending / 2, MaxPending: waiting, MaxSessionsPerUser: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoad(t, store)
	peak := l.closed(total / 4)
	before := liveHeap()
	var most sessile.Stats
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		most = watch(store, total)
	}()
	heap := l.open(10*peak, total)
	<-watched
	if err := store.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	alive := l.undone()
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	slices.Sort(l.accepted)
	n := len(l.accepted)
	t.Logf("the store takes %.0f calls a second; of %.0f for %v it accepted %.0f a second, p50 %v, p99 %v; refused %v, not sent %d; %d log-outs",
		peak, 10*peak, total, float64(n)/total.Seconds(), l.accepted[n/2].Round(time.Microsecond), l.accepted[n*99/100].Round(time.Microsecond), l.refused, l.unsent, l.ends)
	t.Logf("beside log-outs at most %d changes pending, %d sessions in memory, %d remembered ends, %d cold reads; live heap %d MiB before, at most %d MiB", most.Pending, most.Hot, most.Tombstones, most.Loads, before/mebi, heap/mebi)
	if len(l.endErrors) > 0 || alive > 0 {
		faults = append(faults, fmt.Sprintf("%d log-outs were refused, %d of those that were acknowledged are alive: %v", len(l.endErrors), alive, l.endErrors))
	}
	if most.Pending > 3*pending || most.Hot > cached+2*pending || heap > before+inFlight*16<<10 {
		faults = append(faults, fmt.Sprintf("a bound does not hold: %d changes pending, %d sessions in memory, the heap has grown by %d MiB", most.Pending, most.Hot, (max(heap, before)-before)/mebi))
	}
	return faults
}

// watch returns the most that a store had of everything.
func watch(store *sessile.Store, total time.Duration) (most sessile.Stats) {
	for began := time.Now(); time.Since(began) < total; <-time.After(20 * time.Millisecond) {
		now := store.Stats()
		most.Pending = max(most.Pending, now.Pending-now.Tombstones) // log-outs are never refused
		most.Hot, most.Tombstones, most.Loads = max(most.Hot, now.Hot), max(most.Tombstones, now.Tombstones), max(most.Loads, now.Loads)
	}
	return most
}

// undone is how many acknowledged log-outs are not in effect.
func (l *load) undone() (n int) {
	for i := range l.clients {
		if _, err := l.store.ReadByToken(context.Background(), l.clients[i].token); err == nil && l.clients[i].ended.Load() {
			n++
		}
	}
	return n
}
