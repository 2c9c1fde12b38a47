package actor

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// live is an actor over a memory backend with hooks, in a bubble.
type live struct {
	*Actor
	*harness
	disk *persisttest.Hooked // over the backend of the harness
}

// inBubble runs fn with an actor in a synctest bubble, and closes it.
func inBubble(t *testing.T, adjust func(*Config), fn func(*live)) {
	synctest.Test(t, func(t *testing.T) {
		g := newHarness(t, nil)
		cfg := g.c.cfg
		cfg.CloseTimeout = 3 * time.Second
		var steps atomic.Int64
		cfg.Now = func() int64 {
			if steps.Add(1) > 100_000 {
				panic("the loop does not come to rest")
			}
			return time.Now().UnixMicro()
		}
		cfg.Tick = cfg.Now
		if adjust != nil {
			adjust(&cfg)
		}
		g.now = cfg.Now()
		d := persisttest.Hook(g.disk, persisttest.Hooks{})
		l := &live{Actor: Start(d, cfg), harness: g, disk: d}
		defer l.Close()
		fn(l)
	})
}

// later lets time pass in the bubble.
func (*live) later(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// newSession creates a session.
func (l *live) newSession(user string) *persist.Record {
	l.Helper()
	rec := l.record(user)
	if _, err := l.Create(l.Context(), rec, persist.Limit{}, persist.ID{}); err != nil {
		l.Fatal(err)
	}
	return rec
}

// set updates a session.
func (l *live) set(ctx context.Context, id persist.ID, durable bool) error {
	_, err := l.Update(ctx, id, []object.Change{{Key: "k", Value: []byte("1")}}, 1<<20, durable, false)
	return err
}

// forget evicts what is on disk from memory.
func (l *live) forget() {
	sink{l.Actor}.Reset("test")
	synctest.Wait()
}

// counts asks for the counters.
func (l *live) counts() Stats {
	l.Helper()
	s, err := l.Stats(context.Background())
	if err != nil {
		l.Fatal(err)
	}
	return s
}

// is fails unless err is want.
func (l *live) is(err, want error) {
	l.Helper()
	if !errors.Is(err, want) {
		l.Fatalf("%v, want %v", err, want)
	}
}

// fail has every call of a method fail.
func (l *live) fail(m persisttest.Method, err error) {
	l.disk.Set(persisttest.Hooks{Fail: persisttest.FailOn(m, err)})
}

// stall has commits last until they are given up.
func (l *live) stall() {
	l.disk.Set(persisttest.Hooks{Fail: func(c *persisttest.Call) error {
		if c.Method != persisttest.Apply {
			return nil
		}
		<-c.Ctx.Done()
		return persist.ErrUnknown
	}})
}

// before has hook run before every call of a method.
func (l *live) before(m persisttest.Method, hook func(*persisttest.Call)) {
	l.disk.Set(persisttest.Hooks{Before: persisttest.On(m, hook)})
}

// refuseOps has every operation be refused by itself.
func (l *live) refuseOps() {
	n := 0
	l.disk.Set(persisttest.Hooks{
		Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) { n, c.Batch = len(c.Batch.Ops), new(persist.Batch) }),
		After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			c.Result.Ops = slices.Repeat([]persist.Outcome{{Status: persist.StatusFailed, Err: persist.ErrCorrupt}}, n)
		}),
	})
}

// heal takes the hooks away.
func (l *live) heal() { l.disk.Set(persisttest.Hooks{}) }
