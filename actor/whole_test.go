package actor

import (
	"context"
	"errors"
	"strings"
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
	*rig
	disk *disk
}

// inBubble runs fn with an actor in a synctest bubble, and closes it.
func inBubble(t *testing.T, adjust func(*Config), fn func(*live)) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		cfg := g.s.cfg
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
		l := &live{Actor: Start(d, cfg), rig: g, disk: d}
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

// TestCloseTellsWhatIsNotOnDisk (D19), when the disk has refused for CloseTimeout.
func TestCloseTellsWhatIsNotOnDisk(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		a, b, c := l.born("a").ID, l.born("b").ID, l.born("c").ID
		l.disk.apply = func(*persist.Batch) (persist.Result, error) {
			return persist.Result{Ops: []persist.Outcome{{Status: persist.Failed, Err: persist.ErrCorrupt}}}, nil
		}
		l.is(l.Destroy(l.Context(), a), ErrNotDurable) // waits for its turn
		l.disk.apply = down(persist.ErrUnavailable)
		l.is(l.Destroy(l.Context(), b), ErrNotDurable)
		l.is(l.set(l.Context(), c, false), nil)
		began := time.Now()
		err := l.Close()
		l.is(err, persist.ErrUnavailable)
		if !strings.Contains(err.Error(), "1 changes and 2 security operations are not on disk") {
			t.Error(err)
		}
		equal(t, "time to close", time.Since(began), 3*time.Second)
		equal(t, "the second Close", l.Close(), err)
	})
}

// TestCloseCountsWhatWaitsForItsTurn (D19): what the disk refuses by itself is no less lost.
func TestCloseCountsWhatWaitsForItsTurn(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		l.disk.apply = func(b *persist.Batch) (persist.Result, error) {
			o := persist.Outcome{Status: persist.Failed, Err: persist.ErrCorrupt}
			return persist.Result{Ops: []persist.Outcome{o, o}[:len(b.Ops)]}, nil
		}
		for i := range byte(2) {
			l.is(l.Destroy(l.Context(), persist.ID{9, i}), ErrNotDurable)
		}
		err := l.Close()
		l.is(err, persist.ErrCorrupt)
		if !strings.Contains(err.Error(), "0 changes and 2 security operations are not on disk") {
			t.Error(err)
		}
	})
}

// TestCloseEndsACommitThatHangs (D19): nothing outlives CloseTimeout.
func TestCloseEndsACommitThatHangs(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.born("u").ID
		l.disk.stall = true
		answered := make(chan error, 1)
		go func() { answered <- l.set(context.Background(), id, true) }()
		synctest.Wait()
		began := time.Now()
		l.is(l.Close(), persist.ErrUnknown)
		equal(t, "time to close", time.Since(began), 3*time.Second)
		l.is(<-answered, persist.ErrUnknown)
	})
}

// TestCloseWritesWhatWasAcknowledged (D19), without waiting for BatchInterval.
func TestCloseWritesWhatWasAcknowledged(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.born("u").ID
		l.is(l.set(l.Context(), id, false), nil)
		began := time.Now()
		l.is(l.Close(), nil)
		equal(t, "time to close", time.Since(began), 0)
		rec, _ := l.disk.Memory.ByID(l.Context(), id)
		equal(t, "stored", string(rec.Data), `{"k":1}`)
		l.is(l.set(l.Context(), id, false), ErrClosed)
	})
}

// TestAnObserverThatPanicsLosesItsEventAndNothingElse (S40).
func TestAnObserverThatPanicsLosesItsEventAndNothingElse(t *testing.T) {
	var seen []EventKind
	inBubble(t, func(c *Config) {
		c.Observe = func(e Event) {
			if seen = append(seen, e.Kind); len(seen) == 1 {
				panic("the first one")
			}
		}
	}, func(l *live) {
		for range 3 {
			l.born("u")
		}
		synctest.Wait()
		equal(t, "events", len(seen), 3)
		equal(t, "dropped", l.EventsDropped(), 1)
	})
}

// TestEventsBeyondTheRoomForThemAreDroppedAndCounted (S40): nothing waits for an observer.
func TestEventsBeyondTheRoomForThemAreDroppedAndCounted(t *testing.T) {
	seen, hold := 0, make(chan struct{})
	inBubble(t, func(c *Config) { c.Observe = func(Event) { <-hold; seen++ } }, func(l *live) {
		hold = make(chan struct{}) // of the bubble
		l.Emit(Event{})            // holds up the observer
		synctest.Wait()
		for range eventRoom + 3 {
			l.Emit(Event{})
		}
		equal(t, "dropped", l.EventsDropped(), 3)
		close(hold)
		l.is(l.Close(), nil)
		equal(t, "seen by the end of Close", seen, eventRoom+1)
	})
}

// TestCloseWaitsASecondForAnObserverThatHangs (S40).
func TestCloseWaitsASecondForAnObserverThatHangs(t *testing.T) {
	var hold chan struct{}
	inBubble(t, func(c *Config) { c.Observe = func(Event) { <-hold } }, func(l *live) {
		hold = make(chan struct{})
		l.Emit(Event{})
		began := time.Now()
		l.is(l.Close(), nil)
		equal(t, "time to close", time.Since(began), time.Second)
		close(hold)
	})
}

// TestPeekCountsItsHitsAndFindsNothingElse: whatever the hash.
func TestPeekCountsItsHitsAndFindsNothingElse(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		rec := l.record("u")
		rec.Hash[8], rec.Hash[9] = 0xff, 0xff
		_, err := l.Create(l.Context(), rec, persist.Limit{}, persist.ID{})
		l.is(err, nil)
		for range 3 {
			equal(t, "found", l.Peek(&rec.Hash, forever-1) != nil, true)
		}
		equal(t, "found", l.Peek(&persist.Hash{7}, l.now) != nil, false)
		equal(t, "hits", l.Hits(), 3)
	})
}
