package actor

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestCloseThatGivesUpTellsEachWaitingCallItsOutcome (D19): a destroy is refused in memory, a create is not there.
func TestCloseThatGivesUpTellsEachWaitingCallItsOutcome(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id, other := l.newSession("u").ID, l.newSession("v").ID
		l.stall()
		set, ended, made, rotated := make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() { set <- l.set(context.Background(), other, true) }()
		synctest.Wait()
		go func() { ended <- l.Destroy(context.Background(), id) }()
		go func() {
			_, err := l.Create(context.Background(), l.record("w"), persist.Limit{}, persist.ID{})
			made <- err
		}()
		go func() {
			_, err := l.Rotate(context.Background(), other, TokenChange{To: persist.Hash{7}})
			rotated <- err
		}()
		synctest.Wait()
		l.is(l.Close(), persist.ErrUnknown)
		l.is(<-set, persist.ErrUnknown)
		err := <-ended
		l.is(err, ErrNotDurable)
		l.is(err, ErrClosed)
		for _, c := range []chan error{made, rotated} {
			err = <-c
			l.is(err, ErrClosed)
			equal(t, "refused in memory", errors.Is(err, ErrNotDurable), false)
		}
	})
}

// TestCloseReportsWhatIsNotOnDisk (D19), when the disk has refused for CloseTimeout.
func TestCloseReportsWhatIsNotOnDisk(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		a, b, c := l.newSession("a").ID, l.newSession("b").ID, l.newSession("c").ID
		l.refuseOps()
		l.is(l.Destroy(l.Context(), a), ErrNotDurable) // waits for its turn
		l.fail(persisttest.Apply, persist.ErrUnavailable)
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

// TestCloseCountsDelayedOperationsAsNotOnDisk (D19): what the disk refuses by itself is no less lost.
func TestCloseCountsDelayedOperationsAsNotOnDisk(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		l.refuseOps()
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
		id := l.newSession("u").ID
		l.stall()
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
		id := l.newSession("u").ID
		l.is(l.set(l.Context(), id, false), nil)
		began := time.Now()
		l.is(l.Close(), nil)
		equal(t, "time to close", time.Since(began), 0)
		rec, _ := l.disk.ByID(l.Context(), id)
		equal(t, "stored", string(rec.Data), `{"k":1}`)
		l.is(l.set(l.Context(), id, false), ErrClosed)
	})
}

// TestCloseWaitsForReadsInProgress, though nobody waits for them any more: the backend is closed next.
func TestCloseWaitsForReadsInProgress(t *testing.T) {
	for name, begin := range map[string]func(*live, context.Context) error{
		"a sweep": func(l *live, ctx context.Context) error { _, err := l.Sweep(ctx); return err },
		"a read": func(l *live, ctx context.Context) error {
			_, err := l.Read(ctx, persist.ID{1, 1})
			return err
		},
		"an optimistic read": func(l *live, ctx context.Context) error {
			_, err := l.Find(ctx, persist.TokenKey{Hash: persist.Hash{1, 1}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(l *live) {
				l.newSession("u")
				l.forget()
				var ended atomic.Bool
				l.disk.Set(persisttest.Hooks{Before: func(c *persisttest.Call) {
					if c.Method != persisttest.Watch {
						<-time.After(2 * time.Second) // ignores its context
						ended.Store(true)
					}
				}})
				ctx, cancel := context.WithTimeout(l.Context(), time.Second)
				defer cancel()
				l.is(begin(l, ctx), context.DeadlineExceeded)
				l.is(l.Close(), nil)
				equal(t, "ended", ended.Load(), true)
			})
		})
	}
}

// TestCloseReturnsWhileAReadHangs, after its timeout, and says so.
func TestCloseReturnsWhileAReadHangs(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.newSession("u").ID
		l.forget()
		hold := make(chan struct{})
		l.before(persisttest.ByID, func(*persisttest.Call) { <-hold })
		told := make(chan error, 1)
		go func() { _, err := l.Read(l.Context(), id); told <- err }()
		synctest.Wait()
		began := time.Now()
		err := l.Close()
		equal(t, "it took", time.Since(began), l.cfg.CloseTimeout)
		if err == nil || !strings.Contains(err.Error(), "1 reads have not ended within 3s") {
			t.Error(err)
		}
		equal(t, "again", l.Close(), err)
		close(hold)
		l.is(<-told, ErrClosed)
	})
}

// TestReadAfterCloseDoesNotReachTheBackend, neither one that asks the loop nor one that does not.
func TestReadAfterCloseDoesNotReachTheBackend(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.newSession("u").ID
		l.forget()
		l.is(l.Close(), nil)
		l.disk.Set(persisttest.Hooks{Before: func(c *persisttest.Call) { t.Error(c.Method) }})
		_, err := l.Find(l.Context(), persist.TokenKey{Hash: persist.Hash{1, 1}})
		l.is(err, ErrClosed)
		_, err = l.Read(l.Context(), id)
		l.is(err, ErrClosed)
		_, err = l.Sweep(l.Context())
		l.is(err, ErrClosed)
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
