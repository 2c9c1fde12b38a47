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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/harness"
)

var overload = flag.Duration("stress.overload", 4*time.Second, "how long ten times the load that the store can take lasts")

const (
	cached   = 400    // sessions in memory, of 4,000
	sessions = 4000   // and as many logouts
	pending  = 100    // limit of pending changes
	inFlight = 20_000 // concurrent calls: a server has no more connections
	deadline = time.Second
	ample    = deadline / 2 // ten times the longest wait in the store
)

// client is one of the IDs and tokens of the load.
type client struct {
	id    sessile.ID
	token sessile.Token
	ended atomic.Bool
}

// load is the load on a store, and its results.
type load struct {
	t        *testing.T
	store    *sessile.Store
	stubborn bool // retries refused calls
	changes  bool // makes no reads, and a hundredth of logouts
	clients  []client
	next     atomic.Int64 // next client to log out

	mu        sync.Mutex
	accepted  []time.Duration // from the intended start
	inside    []time.Duration // from the actual start of the call
	out       []time.Duration // logouts, which are always accepted
	refused   map[string]int
	early     int // refused calls with ample time, before their deadline
	late      int // and only after it
	unsent    int
	ends      int
	endErrors []error
}

func newLoad(t *testing.T, setup harness.Setup, clients int) *load {
	t.Helper()
	store, err := setup.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, clients: make([]client, clients), refused: map[string]int{}}
	var all sync.WaitGroup
	for part := range slices.Chunk(l.clients, clients/64) {
		all.Go(func() {
			for i := range part {
				s, token, err := store.Create(context.Background(), sessile.Meta{}, fmt.Sprint("user", rand.IntN(1000)), nil)
				if err != nil {
					t.Error(err)
					return
				}
				part[i].id, part[i].token = s.ID(), token
			}
		})
	}
	all.Wait()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return l
}

// one makes one call of the mix. Of ten, four change data, and three read, mostly from disk. The rest log in,
// rotate and log out.
func (l *load) one(ctx context.Context, intended time.Time) (refused bool) {
	began, k := time.Now(), rand.IntN(100)
	switch {
	case l.changes && k >= 90 && rand.IntN(10) > 0:
		k = 0 // logouts are never refused: ten times a tenth would take the whole disk
	case l.changes && k >= 40 && k < 70:
		k = 0
	case k >= 90:
		l.logout(ctx, intended)
		return false
	}
	err := l.call(ctx, k)
	for l.stubborn && errors.Is(err, sessile.ErrOverloaded) && ctx.Err() == nil {
		select {
		case <-time.After(time.Millisecond):
			err = l.call(ctx, k)
		case <-ctx.Done():
		}
	}
	if l.stubborn && errors.Is(err, sessile.ErrOverloaded) {
		err = fmt.Errorf("%w: %w", err, context.DeadlineExceeded)
	}
	l.note(ctx, intended, began, err)
	return err != nil
}

func (l *load) call(ctx context.Context, k int) (err error) {
	c := &l.clients[rand.IntN(len(l.clients))]
	switch {
	case k < 40:
		_, err = l.store.Update(ctx, c.id, new(sessile.Changes).Set("n", make([]byte, 500)))
	case k < 70:
		_, err = l.store.ReadByToken(ctx, c.token)
	case k < 80:
		_, _, err = l.store.Create(ctx, sessile.Meta{}, "newcomer", nil)
	default:
		_, err = l.store.RotateToken(ctx, c.id) // its token is unknown from now on
	}
	return err
}

// logout ends a session. Only the end of the context may fail it, and the session must be refused even then.
func (l *load) logout(ctx context.Context, intended time.Time) {
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
	if l.ends++; err == nil {
		l.out = append(l.out, time.Since(intended))
	}
	if err != nil && !errors.Is(err, sessile.ErrNotDurable) && !errors.Is(err, context.DeadlineExceeded) {
		l.endErrors = append(l.endErrors, err)
	}
}

func (l *load) note(ctx context.Context, intended, began time.Time, err error) {
	end, _ := ctx.Deadline()
	d, inside := time.Since(intended), time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, sessile.ErrOverloaded) && end.Sub(began) > ample {
		if errors.Is(err, context.DeadlineExceeded) {
			l.late++
		} else {
			l.early++
		}
	}
	switch {
	case errors.Is(err, sessile.ErrNotFound), errors.Is(err, sessile.ErrConflict):
		if l.changes {
			return // the disk was not involved
		}
		fallthrough // also a valid response
	case err == nil:
		l.accepted, l.inside = append(l.accepted, d), append(l.inside, inside)
	case errors.Is(err, sessile.ErrOverloaded):
		l.refused["overloaded"]++
	case errors.Is(err, context.DeadlineExceeded):
		l.refused["deadline"]++
	default:
		l.refused["other"]++
		l.t.Error(err)
	}
}

// closed returns the successful calls per second of eight callers that wait for each call.
func (l *load) closed(total time.Duration) float64 {
	began := time.Now()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for time.Since(began) < total {
				ctx, cancel := context.WithTimeout(context.Background(), deadline)
				refused := l.one(ctx, time.Now())
				cancel()
				if refused {
					<-time.After(time.Millisecond)
				}
			}
		})
	}
	all.Wait()
	n := len(l.accepted) + len(l.out)
	l.accepted, l.inside, l.out = nil, nil, nil
	return float64(n) / time.Since(began).Seconds()
}

// hollow measures the generator alone: each call is refused at once.
func (l *load) hollow(ctx context.Context, intended time.Time) bool {
	l.note(ctx, intended, time.Now(), sessile.ErrOverloaded)
	return true
}

// beside runs closed beside a generator whose calls do nothing. No store in the generator's process can accept
// more than that.
func (l *load) beside(rate float64, total time.Duration) float64 {
	var generator sync.WaitGroup
	generator.Go(func() { l.open(rate, total, l.hollow) })
	n := l.closed(total)
	generator.Wait()
	l.refused, l.unsent, l.early, l.late = map[string]int{}, 0, 0, 0
	return n
}

// open offers calls at a fixed rate and returns the largest heap in bytes. Calls that are offered at the same
// moment share one deadline.
func (l *load) open(rate float64, total time.Duration, call func(context.Context, time.Time) bool) (heap uint64) {
	began, sent := time.Now(), 0
	var all sync.WaitGroup
	var active atomic.Int64
	idle := make(chan func()) // idle goroutines with grown stacks
	var ended []context.CancelFunc
	for time.Since(began) < total {
		now := time.Now()
		ctx, cancel := context.WithDeadline(context.Background(), now.Add(deadline))
		ended = append(ended, cancel)
		for due := int(rate * now.Sub(began).Seconds()); sent < due; sent++ {
			if active.Load() >= inFlight {
				l.unsent++
				continue
			}
			intended := began.Add(time.Duration(float64(sent) / rate * float64(time.Second)))
			active.Add(1)
			work := func() { call(ctx, intended); active.Add(-1) }
			select {
			case idle <- work:
			default:
				all.Go(func() {
					for ; work != nil; work = <-idle {
						work()
					}
				})
			}
		}
		heap = max(heap, liveHeap())
		<-time.After(time.Millisecond)
	}
	close(idle)
	all.Wait()
	for _, cancel := range ended {
		cancel()
	}
	return heap
}

// liveHeap returns the heap size at the end of the last collection, in bytes.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// At ten times the load that the store can take, it refuses clearly and early. Memory stays within its bounds,
// and no logout is refused. Latencies and rates are reported, not judged, because machines are noisy.
func TestStressOverloadKeepsItsBounds(t *testing.T) { // D13, D14, R12
	for _, fault := range tooMuch(t, deluge{times: 10, waiting: pending, batch: pending / 2, clients: sessions, total: *overload}) {
		t.Error(fault)
	}
}

// The same with a disk that is too slow: every sync takes 8 ms more, and a commit takes four changes. The
// machine can then easily make ten times the load, and the latencies are the store's own.
func TestStressOverloadOfTheDiskKeepsItsBounds(t *testing.T) {
	for _, fault := range tooMuch(t, deluge{times: 10, waiting: 8, total: *overload, sync: 8 * time.Millisecond, batch: 4, clients: sessions}) {
		t.Error(fault)
	}
}

// Negative controls: a store with unbounded pending changes, and one whose callers wait for room until their
// deadline. The noise of a machine may hide how much a store takes, so the load is increased step by step.
func TestStressOverloadNoticesAStoreWithoutBounds(t *testing.T) {
	noticed(t, "a bound does not hold", deluge{waiting: 1 << 20, batch: 8, sync: 20 * time.Millisecond, hot: sessions})
}

func TestStressOverloadNoticesAnEndlessWaitQueue(t *testing.T) {
	noticed(t, "refused late", deluge{waiting: pending, batch: pending / 2, stubborn: true})
}

func noticed(t *testing.T, what string, f deluge) {
	t.Helper()
	f.total, f.clients = 2*time.Second, sessions/2
	for f.times = 10; f.times < 1000; f.times *= 4 {
		faults := tooMuch(t, f)
		t.Log(faults)
		if slices.ContainsFunc(faults, func(x string) bool { return strings.Contains(x, what) }) {
			return
		}
	}
	t.Error("not noticed")
}

// deluge is how much load is offered, for how long, and to which store.
type deluge struct {
	times    float64 // multiple of what the store takes without overload
	waiting  int     // limit of pending changes
	stubborn bool    // as if callers waited for room until their deadline
	total    time.Duration
	sync     time.Duration // additional time of each sync
	batch    int           // changes per commit
	hot      int           // sessions in memory, at least cached
	clients  int
}

// tooMuch overloads a store and returns the failures.
func tooMuch(t *testing.T, f deluge) (faults []string) {
	t.Helper()
	total := f.total
	vfs := faultvfs.New(fmt.Sprint(t.Name(), f.times))
	hot := max(cached, f.hot)
	setup := harness.Setup{Path: filepath.Join(t.TempDir(), "s.db"), VFS: vfs.Name, Hot: hot, Max: 100}
	l := newLoad(t, setup, f.clients)
	setup.Adjust = func(c *sessile.Config) { c.BatchSize, c.MaxPending = f.batch, f.waiting }
	store, err := setup.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.store = store
	if f.hot > 0 {
		_ = l.undone() // reads all sessions, so that they are in memory from now on
	}
	l.stubborn, l.changes = f.stubborn, f.sync > 0
	if f.sync > 0 {
		vfs.Set(func(c faultvfs.Call) (v faultvfs.Verdict) {
			if c.Op == faultvfs.Sync {
				v.Delay = f.sync
			}
			return v
		})
	}
	short := min(total/4, 3*time.Second)
	peak := l.closed(short)
	possible := l.beside(f.times*peak, short)
	before := liveHeap()
	var most sessile.Stats
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		most = watch(store, total)
	}()
	first := store.Stats()
	heap := l.open(f.times*peak, total, l.one)
	last := store.Stats()
	<-watched
	if err := store.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	alive := l.undone()
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	n := float64(len(l.accepted)+len(l.out)) / total.Seconds()
	t.Logf("the store takes %.0f calls a second; of %.0f for %v it accepted %.0f a second, %.0f %%, and %.0f %% of the %.0f that are possible beside the generator; %v from their intended start, %v from when they began; refused %v, %d early and %d late, not sent %d; %d log-outs, %v",
		peak, f.times*peak, total, n, 100*n/peak, 100*n/possible, possible, quantiles(l.accepted), quantiles(l.inside), l.refused, l.early, l.late, l.unsent, l.ends, quantiles(l.out))
	t.Logf("beside log-outs at most %d changes pending, %d sessions in memory, %d remembered ends, %d cold reads; %d commits of %d changes, %d cold reads in all; live heap %d MiB before, at most %d MiB", most.Pending, most.Hot, most.Tombstones, most.Loads, last.Batches-first.Batches, last.BatchItems-first.BatchItems, last.ColdReads-first.ColdReads, before/mebi, heap/mebi)
	if len(l.endErrors) > 0 || alive > 0 {
		faults = append(faults, fmt.Sprintf("%d log-outs were refused, %d of those that were acknowledged are alive: %v", len(l.endErrors), alive, l.endErrors))
	}
	if l.late > l.early {
		faults = append(faults, fmt.Sprintf("%d calls were refused late, when their time was up, and %d early", l.late, l.early))
	}
	if most.Pending > 5*pending || most.Hot > hot+5*pending || heap > before+inFlight*16<<10 {
		faults = append(faults, fmt.Sprintf("a bound does not hold: %d changes pending, %d sessions in memory, the heap has grown by %d MiB", most.Pending, most.Hot, (max(heap, before)-before)/mebi))
	}
	return faults
}

// quantiles returns the p50 and the p99 of latencies. It sorts them.
func quantiles(d []time.Duration) string {
	if len(d) == 0 {
		return "none"
	}
	slices.Sort(d)
	return fmt.Sprintf("p50 %v p99 %v", d[len(d)/2].Round(10*time.Nanosecond), d[len(d)*99/100].Round(10*time.Nanosecond))
}

// watch returns the maximum of each statistic.
func watch(store *sessile.Store, total time.Duration) (most sessile.Stats) {
	for began := time.Now(); time.Since(began) < total; <-time.After(20 * time.Millisecond) {
		now := store.Stats()
		most.Pending = max(most.Pending, now.Pending-now.Tombstones) // logouts are never refused
		most.Hot, most.Tombstones, most.Loads = max(most.Hot, now.Hot), max(most.Tombstones, now.Tombstones), max(most.Loads, now.Loads)
	}
	return most
}

// undone counts acknowledged logouts that have no effect.
func (l *load) undone() (n int) {
	for i := range l.clients {
		if _, err := l.store.ReadByToken(context.Background(), l.clients[i].token); err == nil && l.clients[i].ended.Load() {
			n++
		}
	}
	return n
}
