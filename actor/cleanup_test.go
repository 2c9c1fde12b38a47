package actor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// expiring creates n sessions that end a second from now.
func (l *live) expiring(n int) {
	l.Helper()
	for i := range n {
		rec := l.record("u")
		rec.ID[2], rec.Hash[2] = byte(i>>8), byte(i>>8)
		rec.ExpiresAt = time.Now().Add(time.Second).UnixMicro()
		if _, err := l.Create(l.Context(), rec, persist.Limit{}, persist.ID{}); err != nil {
			l.Fatal(err)
		}
	}
}

// looks has fn called instead of a look for expired sessions that fails.
func (l *live) looks(fn func(after int64) error) {
	l.disk.Set(persisttest.Hooks{Fail: func(c *persisttest.Call) error {
		if c.Method != persisttest.Expired {
			return nil
		}
		return fn(c.Since)
	}})
}

// TestCleanupDeletesEverythingThatHasExpired, in as many chunks as it takes, and counts it.
func TestCleanupDeletesEverythingThatHasExpired(t *testing.T) {
	inBubble(t, func(c *Config) { c.BatchSize = 1000 }, func(l *live) {
		l.expiring(2*sweepChunk + 3)
		l.newSession("v")
		l.later(time.Second)
		n, err := l.Sweep(l.Context())
		l.is(err, nil)
		equal(t, "swept", n, 2*sweepChunk+3)
		equal(t, "expired", l.counts().Expired, 2*sweepChunk+3)
		n, err = l.Sweep(l.Context())
		l.is(err, nil)
		equal(t, "swept again", n, 0)
	})
}

// TestCleanupKeepsSessionsThatWereExtended (D8): memory knows more than the disk.
func TestCleanupKeepsSessionsThatWereExtended(t *testing.T) {
	g := newHarness(t, nil)
	kept, over := g.shortLived(1000), g.shortLived(1000)
	g.now += 999
	g.do(g.touch(kept.ID))
	g.now++
	r := g.expireReq([]persist.Ref{kept.Ref(), over.Ref(), {ID: persist.ID{99}}})
	g.waits(g.do(r), r)
	g.carries(2, 0, 0)
	out := g.settle()
	equal(t, "expired", g.ok(out, r).n, 1)
	equal(t, "Expired", happened(out, EventExpired), 1)
	r = g.expireReq([]persist.Ref{kept.Ref()})
	equal(t, "expired", g.ok(g.do(r), r).n, 0)
	g.do(g.destroy(kept.ID)) // its deletion is on its way already
	g.now += 1_000_000
	r = g.expireReq([]persist.Ref{kept.Ref()})
	g.ok(g.do(r), r)
}

// TestCleanupDoesNotChangeTheResultsOfACallerThatLeft: the caller reads them while the
// deletions go on.
func TestCleanupDoesNotChangeTheResultsOfACallerThatLeft(t *testing.T) {
	g := newHarness(t, nil)
	over := g.shortLived(1000)
	g.now += 1000
	r := g.expireReq([]persist.Ref{over.Ref()})
	g.waits(g.do(r), r)
	g.do(abandon{call: &r.call})
	out := g.settle()
	equal(t, "results", r.n, 0)
	equal(t, "Expired", happened(out, EventExpired), 1)
}

// TestCleanupContinuesPastASessionThatCannotBeDeleted (D11, D28): the first failure is told.
func TestCleanupContinuesPastASessionThatCannotBeDeleted(t *testing.T) {
	first := errors.New("first")
	inBubble(t, func(c *Config) { c.BatchSize = 1000 }, func(l *live) {
		l.expiring(sweepChunk + 2)
		l.later(time.Second)
		faults := []error{first, persist.ErrCorrupt} // of the first session of a commit each
		l.disk.Set(persisttest.Hooks{
			Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				if len(faults) > 0 {
					c.Batch = &persist.Batch{Now: c.Batch.Now, Ops: c.Batch.Ops[1:]}
				}
			}),
			After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				if len(faults) > 0 {
					c.Result.Ops = append([]persist.Outcome{{Status: persist.StatusFailed, Err: faults[0]}}, c.Result.Ops...)
					faults = faults[1:]
				}
			}),
		})
		swept, err := l.Sweep(l.Context())
		l.is(err, first)
		equal(t, "swept", swept, sweepChunk)
	})
}

// TestCleanupEndsWhenTheDiskIsDown: the next chunk would meet the same.
func TestCleanupEndsWhenTheDiskIsDown(t *testing.T) {
	for _, want := range []error{persist.ErrUnavailable, persist.ErrUnknown} {
		inBubble(t, func(c *Config) { c.BatchSize = 1000 }, func(l *live) {
			l.expiring(sweepChunk + 2)
			l.later(time.Second)
			looked := 0
			l.disk.Set(persisttest.Hooks{
				Before: persisttest.On(persisttest.Expired, func(*persisttest.Call) { looked++ }),
				Fail:   persisttest.FailOn(persisttest.Apply, want),
			})
			_, err := l.Sweep(l.Context())
			l.is(err, want)
			equal(t, "chunks looked for", looked, 1)
			l.heal()
		})
	}
}

// TestCleanupReportsAFailedReadAndWhatItDeleted, with what it had done by then.
func TestCleanupReportsAFailedReadAndWhatItDeleted(t *testing.T) {
	inBubble(t, func(c *Config) { c.BatchSize = 1000 }, func(l *live) {
		l.expiring(sweepChunk + 2)
		l.later(time.Second)
		l.looks(func(after int64) error {
			if after == 0 {
				return nil
			}
			return persist.ErrCorrupt
		})
		n, err := l.Sweep(l.Context())
		l.is(err, persist.ErrCorrupt)
		equal(t, "swept", n, sweepChunk)
	})
}

// TestCleanupRunsEveryCleanupInterval: one that fails is told, and the next tries again.
func TestCleanupRunsEveryCleanupInterval(t *testing.T) {
	var told []error
	inBubble(t, func(c *Config) {
		c.CleanupInterval = time.Minute
		c.Observe = func(e Event) {
			if e.Kind == EventSweepFailed {
				told = append(told, e.Err)
			}
		}
	}, func(l *live) {
		l.expiring(3)
		l.looks(func(int64) error { return persist.ErrUnavailable })
		l.later(time.Minute)
		equal(t, "told", len(told) == 1 && errors.Is(told[0], persist.ErrUnavailable), true)
		l.heal()
		l.later(59 * time.Second)
		equal(t, "expired before", l.counts().Expired, 0)
		l.later(time.Second)
		equal(t, "expired", l.counts().Expired, 3)
		equal(t, "told", len(told), 1)
	})
}

func TestCleanupDoesNotRunWithoutAnInterval(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		l.expiring(1)
		l.later(24 * time.Hour)
		equal(t, "expired", l.counts().Expired, 0)
	})
}

// TestCleanupThatCloseEndsIsNotAFailure: nobody is told.
func TestCleanupThatCloseEndsIsNotAFailure(t *testing.T) {
	told := 0
	inBubble(t, func(c *Config) {
		c.CleanupInterval = time.Minute
		c.Observe = func(e Event) {
			if e.Kind == EventSweepFailed {
				told++
			}
		}
	}, func(l *live) {
		hold := make(chan struct{})
		l.looks(func(int64) error { <-hold; return persist.ErrUnavailable })
		l.later(time.Minute)
		time.AfterFunc(time.Second, func() { close(hold) })
		l.is(l.Close(), nil)
		equal(t, "told", told, 0)
	})
}

// I9: a disk that stalls holds up a clean-up no longer than its context.
func TestCleanupEndsWithItsContext(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		hold := make(chan struct{})
		l.looks(func(int64) error { <-hold; return nil })
		ctx, cancel := context.WithTimeout(l.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := l.Sweep(ctx)
		l.is(err, context.DeadlineExceeded)
		equal(t, "it took", time.Since(began), time.Second)
		close(hold)
	})
}

// TestCleanupRestsOnlyBesideOthers: who is alone cleans up at full speed.
func TestCleanupRestsOnlyBesideOthers(t *testing.T) {
	took := func(others bool) (took time.Duration) {
		inBubble(t, nil, func(l *live) {
			l.expiring(3 * sweepChunk)
			l.later(time.Second)
			l.disk.Set(persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(*persisttest.Call) { <-time.After(5 * time.Millisecond) })})
			ctx, cancel := context.WithCancel(l.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := byte(0); others && ctx.Err() == nil; i++ {
					rec := l.record("v")
					rec.ID[3], rec.Hash[3] = 1+i, 1+i
					_, _ = l.Create(ctx, rec, persist.Limit{}, persist.ID{})
				}
			}()
			commits, began := l.counts().Batches, time.Now()
			_, err := l.Sweep(l.Context())
			l.is(err, nil)
			took = time.Since(began)
			cancel()
			<-done
			if commits = l.counts().Batches - commits; !others {
				equal(t, "it took its commits' time", took, time.Duration(commits)*5*time.Millisecond)
			}
		})
		return took
	}
	alone, beside := took(false), took(true)
	t.Logf("%v alone, %v beside others", alone, beside)
	if beside < 2*alone+2*20*time.Millisecond { // every second commit, and the rests
		t.Error("it does not rest")
	}
}
