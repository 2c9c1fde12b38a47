package actor

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// rows counts the rows on disk.
func (l *live) rows() int {
	l.Helper()
	n, err := l.harness.disk.Count(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return n
}

// numbered creates a session whose ID is different from those of newSession.
func (l *live) numbered(user string, n int) *persist.Record {
	l.Helper()
	r := l.record(user)
	r.ID = persist.ID{9, byte(n >> 8), byte(n)}
	r.Hash = persist.Hash{9, byte(n >> 8), byte(n)}
	if _, err := l.Create(l.Context(), r, persist.Limit{}, persist.ID{}); err != nil {
		l.Fatal(err)
	}
	return r
}

// crowd creates sessions of several users and of guests, and forgets the first half of them.
func (l *live) crowd(n int) (all []*persist.Record) {
	l.Helper()
	for i := range n {
		all = append(all, l.numbered([]string{"u", "v", ""}[i%3], i))
		if i == n/2 {
			l.forget()
		}
	}
	return all
}

// refusesAll fails if one of the sessions can be found.
func (l *live) refusesAll(all []*persist.Record) {
	l.Helper()
	for i, r := range all {
		if _, err := l.Find(l.Context(), persist.TokenKey{Hash: r.Hash}); !errors.Is(err, persist.ErrNotFound) {
			l.Fatalf("session %d: %v", i, err)
		}
		if _, err := l.Read(l.Context(), r.ID); !errors.Is(err, persist.ErrNotFound) {
			l.Fatalf("session %d by ID: %v", i, err)
		}
	}
}

func TestDestroyAllEndsEverySession(t *testing.T) {
	var ended atomic.Int64
	observe := func(c *Config) {
		c.Observe = func(e Event) {
			if e.Kind == EventDestroyed {
				ended.Add(1)
			}
		}
	}
	inBubble(t, observe, func(l *live) {
		const n = 3*sliceSize - 7
		all := l.crowd(n)
		done, err := l.Done(l.Context(), all[0].ID)
		l.is(err, nil)
		l.is(l.set(l.Context(), all[n-1].ID, false), nil)
		got, err := l.DestroyAll(l.Context(), "")
		l.is(err, nil)
		equal(t, "ended", got, n)
		equal(t, "left on disk", l.rows(), 0)
		<-done
		l.refusesAll(all)
		synctest.Wait()
		equal(t, "events", ended.Load(), n)
		s := l.counts()
		equal(t, "counted", s.Destroyed, uint64(n))
		equal(t, "left in memory", s.Hot+s.Tombstones+s.Pending, 0)
		if _, err := l.Find(l.Context(), persist.TokenKey{Hash: l.newSession("u").Hash}); err != nil {
			t.Errorf("a later session: %v", err)
		}
		got, err = l.DestroyAll(l.Context(), "")
		l.is(err, nil)
		equal(t, "ended", got, 1)
		got, err = l.DestroyAll(l.Context(), "")
		l.is(err, nil)
		equal(t, "ended in an empty store", got, 0)
	})
}

// A read by token or by ID has its row already when the sessions end.
func TestDestroyAllRefusesARowThatIsBeingRead(t *testing.T) {
	for _, m := range []persisttest.Method{persisttest.ByHash, persisttest.ByID} {
		t.Run(string(m), func(t *testing.T) {
			inBubble(t, nil, func(l *live) {
				r := l.newSession("u")
				l.forget()
				release := make(chan struct{})
				l.disk.Set(persisttest.Hooks{After: persisttest.On(m, func(*persisttest.Call) { <-release })})
				result := make(chan error)
				go func() {
					var err error
					if m == persisttest.ByID {
						_, err = l.Read(l.Context(), r.ID)
					} else {
						_, err = l.Find(l.Context(), persist.TokenKey{Hash: r.Hash})
					}
					result <- err
				}()
				synctest.Wait()
				n, err := l.DestroyAll(l.Context(), "")
				l.is(err, nil)
				equal(t, "ended", n, 1)
				close(release)
				l.is(<-result, persist.ErrNotFound)
				l.disk.Set(persisttest.Hooks{})
				l.refusesAll([]*persist.Record{r})
			})
		})
	}
}

// Sessions begin while rows are deleted, before and behind the pages that are read.
func TestDestroyAllSparesSessionsThatBeginLater(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		old := l.crowd(2 * sliceSize)
		var later []*persist.Record
		calls := 0
		l.disk.Set(persisttest.Hooks{Before: persisttest.On(persisttest.Search, func(*persisttest.Call) {
			if calls++; calls > 1 { // the first call finds the newest session
				later = append(later, l.newSession("u"))
			}
		})})
		n, err := l.DestroyAll(l.Context(), "")
		l.is(err, nil)
		l.disk.Set(persisttest.Hooks{})
		equal(t, "ended", n, len(old))
		equal(t, "left on disk", l.rows(), len(later))
		l.refusesAll(old)
		for _, cold := range []bool{false, true} {
			for _, r := range later {
				if _, err := l.Find(l.Context(), persist.TokenKey{Hash: r.Hash}); err != nil {
					t.Errorf("a later session, cold %t: %v", cold, err)
				}
			}
			l.forget()
		}
		if len(later) < 2 {
			t.Errorf("%d later sessions", len(later))
		}
	})
}

// The disk has committed a create, and the loop does not know yet.
func TestDestroyAllEndsASessionWhoseCommitIsNotSettled(t *testing.T) {
	g := newHarness(t, nil)
	login := g.createReq("u")
	g.do(login)
	done := g.commit()
	n := newCommand(func(x *destroyAllCommand) { x.through, x.endsSessions = 1<<40, true })
	g.do(n)
	g.ok(g.do(done), login)
	equal(t, "opens", g.opens(login.record.Hash), false)
	g.settle()
	if _, err := g.disk.ByID(t.Context(), login.record.ID); !errors.Is(err, persist.ErrNotFound) {
		t.Errorf("on disk: %v", err)
	}
}

func TestDestroyAllGoesOnAfterTheDiskHasFailed(t *testing.T) {
	for name, broken := range map[string]func(n int) func(*persisttest.Call) error{
		"commits": func(int) func(*persisttest.Call) error {
			return persisttest.FailOn(persisttest.Apply, persist.ErrUnavailable)
		},
		"commits of unknown outcome": func(int) func(*persisttest.Call) error {
			return persisttest.FailOn(persisttest.Apply, persist.ErrUnknown)
		},
		"reads of keys": func(n int) func(*persisttest.Call) error {
			return func(c *persisttest.Call) error {
				if c.Method == persisttest.Search {
					if n--; n < 0 {
						return persist.ErrUnavailable
					}
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(l *live) {
				all := l.crowd(2 * sliceSize)
				l.disk.Set(persisttest.Hooks{Fail: broken(2)})
				_, err := l.DestroyAll(l.Context(), "")
				l.is(err, ErrNotDurable)
				l.refusesAll(all)
				l.later(time.Minute)
				l.refusesAll(all)
				l.disk.Set(persisttest.Hooks{})
				l.later(time.Minute)
				equal(t, "left on disk", l.rows(), 0)
				equal(t, "tombstones", l.counts().Tombstones, 0)
			})
		})
	}
}

func TestDestroyAllThatCannotBeginDoesNothing(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		r := l.newSession("u")
		l.disk.Set(persisttest.Hooks{Fail: persisttest.FailOn(persisttest.Search, persist.ErrUnavailable)})
		_, err := l.DestroyAll(l.Context(), "")
		l.is(err, persist.ErrUnavailable)
		if errors.Is(err, ErrNotDurable) {
			t.Error(err)
		}
		l.disk.Set(persisttest.Hooks{})
		for range 2 {
			if _, err := l.Find(l.Context(), persist.TokenKey{Hash: r.Hash}); err != nil {
				t.Error(err)
			}
			l.forget()
		}
	})
}

// A second call covers the sessions that began after the first one.
func TestDestroyAllJoinsTheOneThatRuns(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		l.crowd(10)
		release := make(chan struct{})
		l.disk.Set(persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(*persisttest.Call) { <-release })})
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := l.DestroyAll(l.Context(), ""); first <- err }()
		synctest.Wait()
		go func() { l.newSession("late") }()
		synctest.Wait()
		release <- struct{}{} // a part of the first
		release <- struct{}{}
		synctest.Wait()
		go func() { _, err := l.DestroyAll(l.Context(), ""); second <- err }()
		synctest.Wait()
		close(release)
		l.is(<-first, nil)
		l.is(<-second, nil)
		if n := l.rows(); n > 1 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

func TestDestroyAllGoesOnWithoutItsCaller(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		all := l.crowd(2 * sliceSize)
		release := make(chan struct{})
		l.disk.Set(persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(*persisttest.Call) { <-release })})
		ctx, cancel := context.WithTimeout(l.Context(), time.Second)
		defer cancel()
		_, err := l.DestroyAll(ctx, "")
		l.is(err, ErrNotDurable)
		l.is(err, context.DeadlineExceeded)
		l.refusesAll(all)
		close(release)
		l.later(time.Minute)
		equal(t, "left on disk", l.rows(), 0)
	})
}

// A change that a Sync covers is lost with its session: the Sync waits for the deletion.
func TestDestroyAllHoldsBackASync(t *testing.T) {
	g := newHarness(t, nil)
	r := g.create("u")
	g.do(g.update(r.ID, "1"))
	sync := g.sync()
	x := newCommand(func(x *destroyAllCommand) { x.through, x.endsSessions = 1<<40, true })
	g.do(x)
	g.waits(g.do(sync), sync)
	for range 5 {
		if g.batch == nil {
			g.pass(interval)
			continue
		}
		equal(t, "synced before the deletion", sync.answered && g.stored("u") > 0, false)
		g.settle()
	}
	equal(t, "synced", sync.answered, true)
	equal(t, "left on disk", g.stored("u"), 0)
}

func TestCloseReportsALogOutOfEverybodyThatIsNotDone(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		l.crowd(2 * sliceSize)
		reads := 0
		l.disk.Set(persisttest.Hooks{Fail: func(c *persisttest.Call) error {
			if c.Method == persisttest.Search {
				if reads++; reads > 1 {
					return persist.ErrUnavailable
				}
			}
			return nil
		}})
		_, err := l.DestroyAll(l.Context(), "")
		l.is(err, ErrNotDurable)
		if err := l.Close(); !errors.Is(err, errUnended) {
			t.Errorf("Close: %v", err)
		}
	})
}

// Others come between the steps of a log-out of everybody.
func TestDestroyAllTakesSmallSteps(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Entries, c.MaxTombstones, c.MaxPending = 10_000, 10_000, 10_000 })
	g.resident("u", 5*sliceSize, hour)
	before := g.c.hot.Len()
	x := newCommand(func(x *destroyAllCommand) { x.through, x.endsSessions = 1<<40, true })
	g.do(x)
	for steps := 0; g.c.hot.Len() > 0; steps++ {
		left := g.c.hot.Len()
		if before-left > sliceSize || steps > 20 {
			t.Fatalf("step %d ends %d sessions (limit %d)", steps, before-left, sliceSize)
		}
		before = left
		g.do(wakeUp{})
	}
}

// TestDestroyAllDoesNotRestWhereNobodyElseWaits for the disk: it takes the time of its commits.
func TestDestroyAllDoesNotRestWhereNobodyElseWaits(t *testing.T) {
	const commit = 5 * time.Millisecond
	inBubble(t, nil, func(l *live) {
		l.crowd(3 * sliceSize)
		l.before(persisttest.Apply, func(*persisttest.Call) { <-time.After(commit) })
		commits, began := l.counts().Batches, time.Now()
		_, err := l.DestroyAll(l.Context(), "")
		l.is(err, nil)
		took := time.Since(began)
		equal(t, "it took", took, time.Duration(l.counts().Batches-commits)*commit)
	})
}
