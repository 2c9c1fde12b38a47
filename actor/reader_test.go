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

// TestReadEndsWithItsContextWhileTheDiskStalls (I9, D16), and who waits for the same reads itself.
func TestReadEndsWithItsContextWhileTheDiskStalls(t *testing.T) {
	for range 20 { // the end is told with the offer or without one, as it comes
		inBubble(t, nil, func(l *live) {
			id := l.newSession("u").ID
			l.forget()
			hold, reads := make(chan struct{}), 0
			l.before(persisttest.ByID, func(*persisttest.Call) {
				if reads++; reads == 1 {
					<-hold // ignores its context
				}
			})
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

// TestReadPanicReachesItsCallerOnly, and holds up nobody else.
func TestReadPanicReachesItsCallerOnly(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.newSession("u").ID
		l.forget()
		l.before(persisttest.ByID, func(*persisttest.Call) { panic("broken") })
		func() {
			defer func() { equal(t, "panic", recover(), any("broken")) }()
			_, err := l.Read(l.Context(), id)
			t.Error(err)
		}()
		l.heal()
		_, err := l.Read(l.Context(), id)
		l.is(err, nil)
	})
}

// TestReadOfDamagedDataFailsForThatSessionOnly (S46, D28).
func TestReadOfDamagedDataFailsForThatSessionOnly(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		good, bad := l.newSession("u"), l.record("u")
		bad.Data = []byte("{")
		_, err := l.disk.Apply(l.Context(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpCreate, Record: bad}}})
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

func TestReadAfterCloseAsksTheDiskForNothing(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		rec := l.newSession("u")
		l.is(l.Close(), nil)
		l.before(persisttest.ByID, func(*persisttest.Call) { t.Error("a read after Close") })
		l.is(l.fetch(l.Context(), &load{kind: byID, id: rec.ID}).err, ErrClosed)
	})
}
