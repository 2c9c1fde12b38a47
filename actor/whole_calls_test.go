package actor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestADestroyWhoseTimeIsUpIsTakenAllTheSame (D13, D16): what it names is refused from then on.
func TestADestroyWhoseTimeIsUpIsTakenAllTheSame(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxPending = 1 }, func(l *live) {
		ctx, cancel := context.WithCancel(l.Context())
		cancel()
		for i := range 40 {
			rec := l.born("u")
			var err error
			if i%2 == 0 {
				err = l.Destroy(ctx, rec.ID)
			} else {
				_, err = l.DestroyUser(ctx, persist.UserKey{ID: "u"}, persist.ID{})
			}
			if err != nil {
				l.is(err, ErrNotDurable)
				l.is(err, context.Canceled)
			}
			_, err = l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
			l.is(err, persist.ErrNotFound)
		}
	})
}

// TestACallThatWaitsAtTheBoundEndsWithItsContext (D13, I9), and was never accepted.
func TestACallThatWaitsAtTheBoundEndsWithItsContext(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxPending, c.MaxWaiting, c.Patience = 1, 1, time.Second }, func(l *live) {
		a, b := l.born("u"), l.born("v")
		l.is(l.set(l.Context(), a.ID, false), nil)
		ctx, cancel := context.WithTimeout(l.Context(), 10*time.Millisecond)
		defer cancel()
		err := l.set(ctx, b.ID, false)
		l.is(err, ErrOverloaded)
		l.is(err, context.DeadlineExceeded)
		l.is(l.Sync(l.Context()), nil)
		l.is(l.set(l.Context(), b.ID, false), nil) // there is room again
		equal(t, "changes", l.counts().Flushes, 2)
	})
}

// TestACallerWhoLeavesIsToldWhatBecameOfItsCommand (D17): nothing, if it was not under way.
func TestACallerWhoLeavesIsToldWhatBecameOfItsCommand(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		rec := l.born("u")
		hold := make(chan struct{})
		l.disk.apply = func(b *persist.Batch) (persist.Result, error) {
			<-hold
			return l.disk.Memory.Apply(context.Background(), b)
		}
		ctx, cancel := context.WithCancel(l.Context())
		flying, queued := make(chan error, 1), make(chan error, 1)
		go func() { _, err := l.Create(ctx, l.record("v"), persist.Limit{}, persist.ID{}); flying <- err }()
		synctest.Wait()
		go func() { _, err := l.Rotate(ctx, rec.ID, Spin{To: persist.Hash{7}}); queued <- err }()
		synctest.Wait()
		cancel()
		err := <-flying
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

// TestAReadEndsWithItsContextHoweverTheDiskStalls (I9, D16), and who waits for the same reads itself.
func TestAReadEndsWithItsContextHoweverTheDiskStalls(t *testing.T) {
	for range 20 { // the end is told with the offer or without one, as it comes
		inBubble(t, nil, func(l *live) {
			id := l.born("u").ID
			l.forget()
			hold, reads := make(chan struct{}), 0
			l.disk.byID = func(context.Context) error {
				if reads++; reads == 1 {
					<-hold // deaf to its context
				}
				return nil
			}
			ctx, cancel := context.WithTimeout(l.Context(), time.Second)
			defer cancel()
			first, second := make(chan error, 1), make(chan error, 1)
			go func() { _, err := l.Read(ctx, id); first <- err }()
			synctest.Wait()
			go func() { _, err := l.Read(l.Context(), id); second <- err }()
			l.is(<-first, context.DeadlineExceeded)
			l.is(<-second, nil)
			equal(t, "reads", reads, 2)
			close(hold)
		})
	}
}

// TestAnErrorOfTheDiskIsEverybodysWhoWaitsForIt (S48): it is not read again for each.
func TestAnErrorOfTheDiskIsEverybodysWhoWaitsForIt(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		hold, reads := make(chan struct{}), 0
		l.disk.byID = func(context.Context) error { reads++; <-hold; return persist.ErrUnavailable }
		got := make(chan error, 2)
		for range 2 {
			go func() { _, err := l.Read(l.Context(), persist.ID{9}); got <- err }()
		}
		synctest.Wait()
		close(hold)
		l.is(<-got, persist.ErrUnavailable)
		l.is(<-got, persist.ErrUnavailable)
		equal(t, "reads", reads, 1)
	})
}

// TestABackendThatPanicsIsItsCallersTrouble, and holds up nobody else.
func TestABackendThatPanicsIsItsCallersTrouble(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.born("u").ID
		l.forget()
		l.disk.byID = func(context.Context) error { panic("broken") }
		func() {
			defer func() { equal(t, "panic", recover(), any("broken")) }()
			_, err := l.Read(l.Context(), id)
			t.Error(err)
		}()
		l.disk.byID = nil
		_, err := l.Read(l.Context(), id)
		l.is(err, nil)
	})
}

// TestDamagedDataIsAnErrorOfItsSessionAlone (S46, D28).
func TestDamagedDataIsAnErrorOfItsSessionAlone(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		good, bad := l.born("u"), l.record("u")
		bad.Data = []byte("{")
		_, err := l.disk.Memory.Apply(l.Context(), &persist.Batch{Ops: []persist.Op{{Kind: persist.Create, Record: bad}}})
		l.is(err, nil)
		for range 2 {
			_, err = l.Find(l.Context(), persist.TokenKey{Hash: bad.Hash})
			l.is(err, persist.ErrCorrupt)
			list, unreadable, err := l.List(l.Context(), persist.UserKey{ID: "u"})
			l.is(err, nil)
			equal(t, "listed", len(list), 1)
			equal(t, "unreadable", unreadable, 1)
			l.forget()
		}
		equal(t, "counted", l.counts().Unreadable, 2)
		_, err = l.Find(l.Context(), persist.TokenKey{Hash: good.Hash})
		l.is(err, nil)
		_, err = l.Find(l.Context(), persist.TokenKey{Hash: persist.Hash{99}})
		l.is(err, persist.ErrNotFound)
		equal(t, "the unknown is damaged", errors.Is(err, persist.ErrCorrupt), false)
	})
}

// TestDoneClosesWithItsSessionAndLetsGoWithItsContext (I8).
func TestDoneClosesWithItsSessionAndLetsGoWithItsContext(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.born("u").ID
		ctx, cancel := context.WithCancel(l.Context())
		done, err := l.Done(ctx, id)
		l.is(err, nil)
		_, err = l.Done(ctx, persist.ID{99})
		l.is(err, persist.ErrNotFound)
		_, err = l.Done(l.Context(), id)
		l.is(err, nil)
		equal(t, "watched", l.counts().Watched, 1)
		l.is(l.Destroy(l.Context(), id), nil)
		<-done
		id = l.born("u").ID
		_, err = l.Done(ctx, id)
		l.is(err, nil)
		cancel()
		synctest.Wait()
		equal(t, "watched", l.counts().Watched, 0)
	})
}

// TestMemoryIsServedUntilTheLeaseEnds: at that instant Peek finds nothing.
func TestMemoryIsServedUntilTheLeaseEnds(t *testing.T) {
	inBubble(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Second }, func(l *live) {
		rec := l.born("u")
		peek := func(now int64) bool { return l.Peek(&rec.Hash, now) != nil }
		equal(t, "before any news", peek(l.now), false)
		sink{l.Actor}.Fresh(0)
		synctest.Wait()
		equal(t, "within the lease", peek(l.now+999_999), true)
		equal(t, "at its end", peek(l.now+1_000_000), false)
		l.forget()
		equal(t, "after a reset", peek(l.now), false)
	})
}

// TestAWatchThatFailsResetsWhatIsCached: anything may have been missed.
func TestAWatchThatFailsResetsWhatIsCached(t *testing.T) {
	for _, fails := range []error{nil, persist.ErrUnavailable} {
		resets := 0
		synctest.Test(t, func(t *testing.T) {
			cfg := newRig(t, nil).s.cfg
			cfg.Now = func() int64 { return time.Now().UnixMicro() }
			cfg.Tick = cfg.Now
			cfg.Observe = func(e Event) {
				if e.Kind == CacheReset {
					resets++
				}
			}
			a := Start(&deaf{newRig(t, nil).disk, fails}, cfg)
			synctest.Wait()
			equal(t, "close", a.Close(), nil)
		})
		equal(t, "reset", resets == 1, fails != nil)
	}
}

// deaf is a backend whose Watch ends at once.
type deaf struct {
	*persisttest.Memory
	err error
}

func (d *deaf) Watch(context.Context, persist.Sink) error { return d.err }

// TestWhoWaitsWhenCloseGivesUpIsAnsweredTruly (D19): a destroy is refused in memory, a create is not there.
func TestWhoWaitsWhenCloseGivesUpIsAnsweredTruly(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id, other := l.born("u").ID, l.born("v").ID
		l.disk.stall = true
		set, ended, made, spun := make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() { set <- l.set(context.Background(), other, true) }()
		synctest.Wait()
		go func() { ended <- l.Destroy(context.Background(), id) }()
		go func() {
			_, err := l.Create(context.Background(), l.record("w"), persist.Limit{}, persist.ID{})
			made <- err
		}()
		go func() {
			_, err := l.Rotate(context.Background(), other, Spin{To: persist.Hash{7}})
			spun <- err
		}()
		synctest.Wait()
		l.is(l.Close(), persist.ErrUnknown)
		l.is(<-set, persist.ErrUnknown)
		err := <-ended
		l.is(err, ErrNotDurable)
		l.is(err, ErrClosed)
		for _, c := range []chan error{made, spun} {
			err = <-c
			l.is(err, ErrClosed)
			equal(t, "refused in memory", errors.Is(err, ErrNotDurable), false)
		}
	})
}
