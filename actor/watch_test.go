package actor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
)

// the end of an old interest takes a newer one away.
func TestDoneOfAnEndedSessionDoesNotTakeANewOneAway(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	w1 := g.watch(rec.ID)
	g.send(w1)
	rot := g.rotateTo(rec.ID, persist.Hash{50})
	g.send(rot)
	g.batch = nil
	g.send(batchDone{err: persist.ErrUnknown}) // closes the first channel
	g.now += 5_000_000
	g.send(wakeUp{})
	g.send(g.commit()) // done at last
	w2 := g.watch(rec.ID)
	a := g.send(w2)
	if len(a) != 1 || a[0].done == nil {
		t.Fatal(a)
	}
	g.send(g.unwatch(rec.ID, w1.done)) // the context of the first call ends
	out := g.do(g.destroy(rec.ID))
	if len(out.ended) != 1 {
		t.Fatal("the session is destroyed, and the second Done never closes")
	}
}

// TestDoneClosesAtTheInstantOfTheExpiry (S26): not before, and once.
func TestDoneClosesAtTheInstantOfTheExpiry(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.shortLived(5_000_000)
	equal(t, "wake", g.do(g.watch(rec.ID)).wake, 5*time.Second)
	equal(t, "ended before", len(g.pass(4_999_999).ended), 0)
	equal(t, "watched", g.stats().Watched, 1)
	out := g.pass(1)
	equal(t, "ended", len(out.ended), 1)
	equal(t, "wake", out.wake, never)
	equal(t, "watched", g.stats().Watched, 0)
	r := g.watch(rec.ID)
	g.refused(g.do(r), r, ErrExpired)
}

func TestDoneWaitsForTheFirstExpiryOfMany(t *testing.T) {
	g := newHarness(t, nil)
	late, soon, between := g.shortLived(9_000_000), g.shortLived(5_000_000), g.shortLived(7_000_000)
	equal(t, "wake", g.do(g.watch(late.ID)).wake, 9*time.Second)
	equal(t, "wake", g.do(g.watch(soon.ID)).wake, 5*time.Second)
	equal(t, "wake", g.do(g.watch(between.ID)).wake, 5*time.Second)
	out := g.pass(5_000_000)
	equal(t, "ended", len(out.ended), 1)
	equal(t, "wake", out.wake, 2*time.Second)
	out = g.pass(4_000_000)
	equal(t, "ended", len(out.ended), 2)
}

// TestDoneChecksTheClockNowAndThen (S29): it may be set, and it may stand still.
func TestDoneChecksTheClockNowAndThen(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.shortLived(3_600_000_000)
	equal(t, "wake when the end is far", g.do(g.watch(rec.ID)).wake, time.Minute)
	equal(t, "wake when it is near", g.pass(3_599_999_999).wake, 10*time.Millisecond)
}

func TestDoneOfAFarExpiryDoesNotDelayABatch(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.shortLived(5_000_000)
	g.do(g.watch(rec.ID))
	equal(t, "wake", g.do(g.update(g.create("u").ID, "1")).wake, micro(interval))
}

// TestDoneClosesAtAnExpiryThatWasMovedForward: a change may shorten a session.
func TestDoneClosesAtAnExpiryThatWasMovedForward(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.shortLived(50_000_000)
	g.do(g.watch(rec.ID))
	r := g.touchTo(rec.ID, g.now, g.now+2_000_000)
	g.do(r)
	equal(t, "ended", len(g.pass(2_000_000).ended), 1)
}

func TestDoneKeepsItsSessionInMemoryUntilTheLastWatcherLeaves(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.shortLived(5_000_000)
	a, b := g.watch(rec.ID), g.watch(rec.ID)
	done := g.ok(g.do(a), a).done
	equal(t, "one channel", g.ok(g.do(b), b).done == done, true)
	leave := func(c chan struct{}) {
		g.do(g.unwatch(rec.ID, c))
	}
	left := func() int { g.pass(interval); return g.c.hot.Pinned() }
	leave(make(chan struct{})) // somebody else's
	leave(done)
	equal(t, "with one left", left(), 1)
	equal(t, "watched", g.stats().Watched, 1)
	leave(done)
	equal(t, "watched", g.stats().Watched, 0)
	equal(t, "with none", left(), 0)
}

// TestDoneClosesWithItsSessionAndEndsWithItsContext (I8).
func TestDoneClosesWithItsSessionAndEndsWithItsContext(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		id := l.newSession("u").ID
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
		id = l.newSession("u").ID
		_, err = l.Done(ctx, id)
		l.is(err, nil)
		cancel()
		synctest.Wait()
		equal(t, "watched", l.counts().Watched, 0)
	})
}

// TestDoneReadsItsSessionAgainAfterAReset: nobody else may ask for them. Those that are gone
// end, the others are watched as before.
func TestDoneReadsItsSessionAgainAfterAReset(t *testing.T) {
	for name, c := range map[string]struct {
		gone, changed bool
	}{
		"gone": {gone: true}, "there": {}, "being changed": {changed: true}, "gone while being changed": {gone: true, changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newHarness(t, nil)
			rec := g.create("u")
			w := g.watch(rec.ID)
			g.ok(g.do(w), w)
			if c.changed {
				g.do(g.update(rec.ID, "1"))
			}
			if c.gone {
				_, err := g.disk.Apply(t.Context(), &persist.Batch{Now: g.now, Ops: []persist.Op{{Kind: persist.OpDestroy, Ref: persist.Ref{ID: rec.ID}}}})
				equal(t, "destroyed by others", err, nil)
			}
			out := g.do(reset{reason: "another program has written"})
			equal(t, "to be read again", out.reread, true)
			equal(t, "ended at once", len(out.ended), 0)
			if g.p.index.Get((*[32]byte)(&rec.Hash)) != nil && !c.changed {
				t.Error("it is served without a look at the disk")
			}
			ended := 0
			if c.changed { // what is not on disk is kept until it is
				g.pass(interval)
				ended += len(g.settle().ended)
			}
			for _, id := range g.unreadIDs(1).ids {
				r := g.readID(id)
				ended += len(g.by(r).ended)
			}
			equal(t, "ended", ended == 1, c.gone)
			equal(t, "watched", g.stats().Watched == 1, !c.gone)
			equal(t, "to be read", len(g.c.watched.unread), 0)
			if !c.gone {
				equal(t, "pinned", g.c.hot.ByID(rec.ID).Pinned(), true)
				d := g.destroy(rec.ID)
				equal(t, "ended by a destroy", len(g.do(d).ended), 1)
			}
		})
	}
}

// TestDoneAfterAResetWatchesWhatIsOnDisk: what memory has is kept for its
// changes alone, and outdated otherwise.
func TestDoneAfterAResetWatchesWhatIsOnDisk(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.do(g.update(rec.ID, "1"))
	g.do(reset{reason: "another program has written"})
	w := g.watch(rec.ID)
	out := g.do(w)
	g.ok(out, w)
	equal(t, "to be read again", out.reread, true)
	g.pass(interval)
	g.settle()
	equal(t, "in memory", g.c.hot.ByID(rec.ID) != nil, false)
	g.by(g.readID(rec.ID))
	equal(t, "pinned", g.c.hot.ByID(rec.ID).Pinned(), true)
}

// watchMany has n sessions watched over a shared backend.
func watchMany(t *testing.T, n int) *harness {
	t.Helper()
	g := shared(t)
	for i := range n {
		rec := g.record("u")
		rec.ID, rec.Hash = persist.ID{9, byte(i >> 8), byte(i)}, persist.Hash{9, byte(i >> 8), byte(i)}
		if _, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpCreate, Record: rec}}}); err != nil {
			t.Fatal(err)
		}
		row, _ := g.disk.ByID(t.Context(), rec.ID)
		g.c.install(row, viewOf(row), false)
		w := g.watch(rec.ID)
		g.ok(g.do(w), w)
	}
	return g
}

// unreadIDs takes n sessions out of the queue.
func (g *harness) unreadIDs(n int) *unreadCommand {
	g.Helper()
	x := newCommand(func(x *unreadCommand) { x.n = n })
	g.ok(g.do(x), x)
	return x
}

const manyWatched = 3*sliceSize + 10

// TestDoneIsReadAgainInSlicesWhenTheLeaseIsOver: however many are watched.
func TestDoneIsReadAgainInSlicesWhenTheLeaseIsOver(t *testing.T) {
	g := watchMany(t, manyWatched)
	out := g.pass(1_000_000)
	for before := 0; ; out = g.do(wakeUp{}) {
		n := len(g.c.watched.unread)
		if n-before > 2*sliceSize {
			t.Fatalf("a step walks over %d", n-before)
		}
		if before = n; n == manyWatched {
			break
		}
		equal(t, "wake", out.wake, 0)
		equal(t, "to be read", out.reread, true)
	}
	seen := make(map[persist.ID]bool)
	queued := g.unreadIDs(0).queued
	equal(t, "queued", queued, manyWatched)
	for ; queued > 0; queued -= sliceSize {
		ids := g.unreadIDs(min(queued, sliceSize)).ids
		if len(ids) > sliceSize {
			t.Fatalf("a step hands out %d", len(ids))
		}
		for _, id := range ids[1:] { // one read fails
			g.by(g.readID(id))
		}
		for _, id := range ids {
			equal(t, "handed out twice", seen[id], false)
			seen[id] = true
		}
	}
	equal(t, "handed out", len(seen), manyWatched)
	left := g.unreadIDs(0).left
	equal(t, "left", left, 4)
	equal(t, "the next round", len(g.unreadIDs(manyWatched).ids), left)
	equal(t, "queued", g.unreadIDs(0).queued, left)
}

// TestResetYieldsInSlicesBeforeTheLeaseIsRenewed: what has not yielded yet is not served.
func TestResetYieldsInSlicesBeforeTheLeaseIsRenewed(t *testing.T) {
	g := watchMany(t, manyWatched)
	g.do(reset{reason: "test", at: g.now})
	left := g.c.hot.Len()
	if left < manyWatched-2*sliceSize {
		t.Fatalf("a step walks over %d", manyWatched-left)
	}
	for n := left; n > 0; n = g.c.hot.Len() {
		r := g.readID(persist.ID{9, 0, byte(n)})
		equal(t, "reads the disk", g.answer(g.do(r), r).load != nil, true)
		equal(t, "lease", g.do(renew{g.now}).lease, 0)
		if g.c.hot.Len() >= n {
			t.Fatal("it does not go on")
		}
	}
	for len(g.c.chores) > 0 {
		g.do(wakeUp{})
	}
	equal(t, "to be read", len(g.c.watched.unread), manyWatched)
	equal(t, "lease", g.do(renew{g.now}).lease, g.now+1_000_000)
}

// TestDoneOfSessionsThatMemoryDoesNotHaveEndsInSlices with a log-out, before its commit.
func TestDoneOfSessionsThatMemoryDoesNotHaveEndsInSlices(t *testing.T) {
	g := watchMany(t, manyWatched)
	g.do(reset{reason: "test", at: g.now})
	for len(g.c.chores) > 0 {
		g.do(wakeUp{})
	}
	x := g.wipe("u")
	ended := 0
	for out := g.do(x); ; out = g.do(wakeUp{}) {
		if len(out.ended) > 2*sliceSize {
			t.Fatalf("a step ends %d", len(out.ended))
		}
		if ended += len(out.ended); len(g.c.chores) == 0 {
			break
		}
	}
	equal(t, "ended", ended, manyWatched)
	equal(t, "answered", x.answered, false)
}

// TestDoneKeepsItsSessionWhenTheLeaseBeginsAgain: it was let go when the lease had ended.
func TestDoneKeepsItsSessionWhenTheLeaseBeginsAgain(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	w := g.watch(rec.ID)
	g.ok(g.do(w), w)
	equal(t, "it is to be read again", g.pass(2_000_000).reread, true)
	g.do(renew{g.now})
	r := g.readID(rec.ID)
	g.ok(g.do(r), r)
	g.pinnedUntil(rec.ID, func() {
		x := g.unwatch(rec.ID, w.done)
		g.ok(g.do(x), x)
	})
}

// TestDoneClosesThoughALogOutOfEverybodyIsNotOnDisk, also for a session that memory does not have.
// A session that is created after the log-out is not meant.
func TestDoneClosesThoughALogOutOfEverybodyIsNotOnDisk(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	w := g.watch(rec.ID)
	done := g.ok(g.do(w), w).done
	through := g.c.hot.ByID(rec.ID).Value().Key
	later := g.watch(g.create("v").ID)
	lives := g.ok(g.do(later), later).done
	g.do(reset{reason: "test"})
	x := newCommand(func(x *destroyAllCommand) { x.through, x.endsSessions = through, true })
	g.waits(g.do(x), x)
	for len(g.c.chores) > 0 {
		g.pass(0)
	}
	g.do(abandon{call: x.base()})
	equal(t, "told", over(done), true)
	equal(t, "told of one that lives", over(lives), false)
}

// TestDoneClosesAfterAResetForWhatAnotherProgramHasEnded: all watched sessions are read again.
func TestDoneClosesAfterAResetForWhatAnotherProgramHasEnded(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		var done []<-chan struct{}
		var last *persist.Record
		for i := range 3 * mostRereads {
			last = l.numbered("u", i)
			d, err := l.Done(l.Context(), last.ID)
			l.is(err, nil)
			done = append(done, d)
		}
		_, err := l.harness.disk.Apply(l.Context(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpDestroy, Ref: last.Ref()}}})
		l.is(err, nil)
		l.forget()
		for i, d := range done {
			told := false
			select {
			case <-d:
				told = true
			default:
			}
			equal(t, "told", told, i == len(done)-1)
		}
	})
}
