package actor

import (
	"context"
	"errors"
	"flag"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

var abandoned = flag.Int("abandoned", 20_000, "calls that are given up while the disk hangs, of each kind")

// TestCallThatIsAbandonedLeavesNothing: memory and goroutines stay as they are, however many
// callers give up while the disk hangs.
func TestCallThatIsAbandonedLeavesNothing(t *testing.T) {
	now := func() int64 { return time.Now().UnixMicro() }
	g := newHarness(t, nil)
	g.now = now()
	hot := g.record("u")
	for name, call := range map[string]func(*Actor, context.Context, int){
		"Destroy":              func(a *Actor, ctx context.Context, _ int) { _ = a.Destroy(ctx, hot.ID) },
		"Destroy, all unknown": func(a *Actor, ctx context.Context, i int) { _ = a.Destroy(ctx, nthID(i)) },
		"DestroyUser": func(a *Actor, ctx context.Context, _ int) {
			_, _ = a.DestroyUser(ctx, persist.UserKey{ID: "u"}, persist.ID{}, "")
		},
		"DestroyUser, all others": func(a *Actor, ctx context.Context, i int) {
			id := nthID(i)
			_, _ = a.DestroyUser(ctx, persist.UserKey{ID: string(id[:])}, persist.ID{}, "")
		},
		"Read":             func(a *Actor, ctx context.Context, _ int) { _, _ = a.Read(ctx, persist.ID{9}) },
		"Read, all others": func(a *Actor, ctx context.Context, i int) { _, _ = a.Read(ctx, nthID(i)) },
		"ReadByToken": func(a *Actor, ctx context.Context, i int) {
			id := nthID(i)
			_, _ = a.Find(ctx, persist.TokenKey{Hash: persist.Hash(append(id[:], id[:]...))})
		},
		"UpdateDurable": func(a *Actor, ctx context.Context, _ int) {
			_, _ = a.Update(ctx, hot.ID, []object.Change{{Key: "k", Value: []byte("1")}}, 1000, true, false)
		},
		"Create": func(a *Actor, ctx context.Context, i int) {
			rec := g.record("v")
			rec.ID = nthID(i)
			_, _ = a.Create(ctx, rec, persist.Limit{}, persist.ID{})
		},
		"RotateToken": func(a *Actor, ctx context.Context, _ int) {
			_, _ = a.Rotate(ctx, hot.ID, TokenChange{To: persist.Hash{7}})
		},
		"Sync": func(a *Actor, ctx context.Context, _ int) { _ = a.Sync(ctx) },
		"List": func(a *Actor, ctx context.Context, _ int) { _, _, _ = a.List(ctx, persist.UserKey{ID: "u"}) },
	} {
		t.Run(name, func(t *testing.T) {
			hold := make(chan struct{})
			d := persisttest.Hook(persisttest.NewMemory(), persisttest.Hooks{Before: func(c *persisttest.Call) {
				if c.Method != persisttest.Watch && c.Method != persisttest.ByUser {
					<-hold
				}
			}})
			cfg := newHarness(t, nil).c.cfg
			cfg.Now, cfg.Tick, cfg.CloseTimeout = now, now, time.Minute
			cfg.MaxWaiting, cfg.Patience = 100, time.Second
			a := Start(d, cfg)
			if err := a.call(t.Context(), a.inbox, newCommand(func(x *installCommand) { x.record = *hot })); err != nil {
				t.Fatal(err)
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			run := func(from, to int) (heap uint64, goroutines int) {
				for i := from; i < to; i++ {
					call(a, gone, i)
				}
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc, runtime.NumGoroutine()
			}
			heap, goroutines := run(0, 2000)
			more, others := run(2000, 2000+*abandoned)
			t.Logf("%d calls: the heap grew from %d kB by %d kB, goroutines from %d by %d", *abandoned, heap>>10, (int64(more)-int64(heap))>>10, goroutines, others-goroutines)
			if int64(more)-int64(heap) > 200_000 || others > cfg.MaxLoads+mostOptimistic+20 {
				t.Error("they leave something behind")
			}
			close(hold)
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// installCommand puts a session into memory.
type installCommand struct {
	call
	record persist.Record
}

func (x *installCommand) run(c *core) {
	c.install(x.record, viewOf(x.record), false)
	c.answer(&x.call, nil)
}

// TestCallThatIsAbandonedInFlightReturnsErrUnknown (D17).
func TestCallThatIsAbandonedInFlightReturnsErrUnknown(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	for _, r := range []command{g.rotate(rec.ID, 1), g.createReq("v")} {
		g.do(r)
		left, ok := g.answer(g.do(abandon{call: r.base()}), r).err.(*leftError)  //nolint:errorlint // it is the answer itself
		equal(t, "it may be done", ok && left.state == persist.ErrUnknown, true) //nolint:errorlint // the state itself
		g.settle()
	}
}

// TestCallThatIsAbandonedReportsItsOutcome (D17): nothing, if it was not under way.
func TestCallThatIsAbandonedReportsItsOutcome(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		rec := l.newSession("u")
		hold := make(chan struct{})
		l.before(persisttest.Apply, func(*persisttest.Call) { <-hold })
		ctx, cancel := context.WithCancel(l.Context())
		inFlight, queued := make(chan error, 1), make(chan error, 1)
		go func() { _, err := l.Create(ctx, l.record("v"), persist.Limit{}, persist.ID{}); inFlight <- err }()
		synctest.Wait()
		go func() { _, err := l.Rotate(ctx, rec.ID, TokenChange{To: persist.Hash{7}}); queued <- err }()
		synctest.Wait()
		cancel()
		err := <-inFlight
		l.is(err, persist.ErrUnknown)
		l.is(err, context.Canceled)
		err = <-queued
		l.is(err, context.Canceled)
		equal(t, "the rotation may be done", errors.Is(err, persist.ErrUnknown), false)
		close(hold)
		l.is(l.Sync(l.Context()), nil)
		_, err = l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
		l.is(err, nil)
		list, _, err := l.List(l.Context(), persist.UserKey{ID: "v"})
		l.is(err, nil)
		equal(t, "sessions whose token nobody has", len(list), 0)
	})
}

// TestCallThatIsAbandonedBeforeItsLoadIsAnsweredOnce: when it comes back.
func TestCallThatIsAbandonedBeforeItsLoadIsAnsweredOnce(t *testing.T) {
	g := newHarness(t, nil)
	x := g.readID(persist.ID{9})
	l := g.answer(g.do(x), x).load
	g.waits(g.do(abandon{x.base(), false}), x)
	g.refused(g.do(&loaded{load: l, err: context.Canceled, own: true}), x, context.Canceled)
}

// TestCallThatEndsASessionIsSentThoughItsCallerHasLeft, while the loop is busy. Any other call then
// ends with its context.
func TestCallThatEndsASessionIsSentThoughItsCallerHasLeft(t *testing.T) {
	var gate atomic.Pointer[chan struct{}]
	hold := func(cfg *Config) {
		now := cfg.Now
		cfg.Now = func() int64 {
			if g := gate.Load(); g != nil {
				<-*g
			}
			return now()
		}
	}
	inBubble(t, hold, func(l *live) {
		id := l.newSession("u").ID
		g := make(chan struct{})
		gate.Store(&g)
		go func() { _, _ = l.Read(context.Background(), id) }()
		synctest.Wait() // the loop is in the step of that read
		left, cancel := context.WithCancel(l.Context())
		cancel()
		_, err := l.Read(left, id)
		l.is(err, context.Canceled)
		ended := make(chan error, 1)
		go func() { ended <- l.Destroy(left, id) }()
		synctest.Wait()
		gate.Store(nil)
		close(g)
		<-ended
		_, err = l.Read(l.Context(), id)
		l.is(err, persist.ErrNotFound)
	})
}
