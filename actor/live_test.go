package actor

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// disk is a memory backend that a test can get in the way of.
type disk struct {
	*persisttest.Memory
	apply   func(*persist.Batch) (persist.Result, error) // instead of committing, if set
	byID    func(context.Context) error                  // before reading, if set
	byHash  func()                                       // after reading by token, if set
	expired atomic.Pointer[func(after int64) error]      // before looking for expired sessions, if set
	stall   bool                                         // commits last until they are given up
}

func (d *disk) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	if d.stall {
		<-ctx.Done()
		return persist.Result{}, persist.ErrUnknown
	}
	if d.apply != nil {
		return d.apply(b)
	}
	return d.Memory.Apply(ctx, b)
}

func (d *disk) ByID(ctx context.Context, id persist.ID) (persist.Record, error) {
	if d.byID != nil {
		if err := d.byID(ctx); err != nil {
			return persist.Record{}, err
		}
	}
	return d.Memory.ByID(ctx, id)
}

func (d *disk) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	r, err := d.Memory.ByHash(ctx, k)
	if d.byHash != nil {
		d.byHash()
	}
	return r, err
}

func (d *disk) Expired(ctx context.Context, now, after int64, limit int) ([]persist.Ref, int64, error) {
	if look := d.expired.Load(); look != nil {
		if err := (*look)(after); err != nil {
			return nil, 0, err
		}
	}
	return d.Memory.Expired(ctx, now, after, limit)
}

// live is an actor over a disk, in a bubble.
type live struct {
	*Actor
	*harness
	disk *disk
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
		d := &disk{Memory: g.disk}
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

// born creates a session.
func (l *live) born(user string) *persist.Record {
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

// down has every commit fail.
func down(err error) func(*persist.Batch) (persist.Result, error) {
	return func(*persist.Batch) (persist.Result, error) { return persist.Result{}, err }
}
