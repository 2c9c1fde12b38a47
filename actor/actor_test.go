package actor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestWhoWaitsWhenCloseGivesUpIsAnsweredTruly (D19): a destroy is refused in memory, a create is not there.
func TestWhoWaitsWhenCloseGivesUpIsAnsweredTruly(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id, other := l.born("u").ID, l.born("v").ID
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

// TestCloseTellsWhatIsNotOnDisk (D19), when the disk has refused for CloseTimeout.
func TestCloseTellsWhatIsNotOnDisk(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		a, b, c := l.born("a").ID, l.born("b").ID, l.born("c").ID
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

// TestCloseCountsWhatWaitsForItsTurn (D19): what the disk refuses by itself is no less lost.
func TestCloseCountsWhatWaitsForItsTurn(t *testing.T) {
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
		id := l.born("u").ID
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
		id := l.born("u").ID
		l.is(l.set(l.Context(), id, false), nil)
		began := time.Now()
		l.is(l.Close(), nil)
		equal(t, "time to close", time.Since(began), 0)
		rec, _ := l.disk.ByID(l.Context(), id)
		equal(t, "stored", string(rec.Data), `{"k":1}`)
		l.is(l.set(l.Context(), id, false), ErrClosed)
	})
}
