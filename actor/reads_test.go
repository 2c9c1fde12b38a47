package actor

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestCloseWaitsForReadsThatAreUnderWay, though nobody waits for them any more: the backend is closed next.
func TestCloseWaitsForReadsThatAreUnderWay(t *testing.T) {
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
				l.born("u")
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

// TestCloseEndsThoughAReadHangs, after its timeout, and says so.
func TestCloseEndsThoughAReadHangs(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.born("u").ID
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

// TestNoReadBeginsAfterClose, neither one that asks the loop nor one that does not.
func TestNoReadBeginsAfterClose(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.born("u").ID
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
