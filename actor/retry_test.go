package actor

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
)

// dice throw the least that can be.
type dice struct{}

func (dice) Uint64() uint64 { return 1 << 40 } // nothing, of a number that is much smaller or exactly that

// TestRetryPauseDoublesUpToASecondWithJitter (D11): between half of it and all of it.
func TestRetryPauseDoublesUpToASecondWithJitter(t *testing.T) {
	s := newHarness(t, nil).c
	pause := retryFirst
	for n := range 70 {
		least, most := int64(math.MaxInt64), int64(0)
		for range 200 {
			d := s.delay(n)
			least, most = min(least, d), max(most, d)
		}
		if half := pause.Microseconds() / 2; least < half || most >= 2*half || most-least < half/2 {
			t.Errorf("failure %d: pauses of %d to %d µs, want half of %v and up to all of it", n+1, least, most, pause)
		}
		pause = min(2*pause, retryMost)
	}
}

func TestRetryWithoutJitterStartsAfterTenMilliseconds(t *testing.T) {
	s := newHarness(t, nil).c
	s.rng = rand.New(dice{})
	equal(t, "first pause", s.delay(0), 10_000)
	equal(t, "second pause", s.delay(1), 20_000)
	equal(t, "longest pause", s.delay(50), 500_000)
}

// TestRetryOfABatchStartsAfterItsPauseAndNotBefore (D11).
func TestRetryOfABatchStartsAfterItsPauseAndNotBefore(t *testing.T) {
	g := newHarness(t, nil)
	g.c.rng = rand.New(dice{})
	r := g.destroy(g.create("u").ID)
	g.do(r)
	out := g.fails(persist.ErrUnavailable)
	g.refused(out, r, ErrNotDurable)
	equal(t, "wake", out.wake, 10*time.Millisecond)
	equal(t, "wake", g.pass(9_999).wake, micro(1))
	g.empty()
	g.pass(1)
	g.carries(1, 0, 0)
	equal(t, "wake after the second failure", g.fails(persist.ErrUnavailable).wake, 20*time.Millisecond)
	g.pass(20_000)
	g.settle()
	equal(t, "idle", g.c.idle(), true)
}

func TestRetryTakesTheChangesOfTheFailedBatch(t *testing.T) {
	g := newHarness(t, nil)
	g.c.rng = rand.New(dice{})
	g.do(g.update(g.create("u").ID, "1"))
	g.pass(interval)
	equal(t, "wake", g.fails(persist.ErrUnavailable).wake, 10*time.Millisecond)
	g.pass(9_999)
	g.empty()
	g.pass(1)
	g.carries(0, 1, 0)
}

// TestRetryDoesNotShortenTheBatchInterval: a change younger than the failure still collects company.
func TestRetryDoesNotShortenTheBatchInterval(t *testing.T) {
	g := newHarness(t, nil)
	g.c.rng = rand.New(dice{})
	l := g.creates(2)
	g.do(g.durable(l[0].ID, "1"))
	g.do(g.touch(l[1].ID))
	g.fails(persist.ErrUnavailable)
	out := g.do(g.update(l[0].ID, "2"))
	equal(t, "wake", out.wake, micro(interval))
}

// TestRetryReportsAFailingDiskOnceAndItsRecovery (D20).
func TestRetryReportsAFailingDiskOnceAndItsRecovery(t *testing.T) {
	g := newHarness(t, nil)
	g.do(g.update(g.create("u").ID, "1"))
	g.pass(interval)
	began := g.now
	equal(t, "WriteFailed", happened(g.fails(persist.ErrUnavailable), EventWriteFailed), 1)
	g.pass(1_000_000)
	equal(t, "WriteFailed again", happened(g.fails(persist.ErrUnknown), EventWriteFailed), 0)
	s := g.stats()
	equal(t, "failures", s.BatchFailures, 2)
	equal(t, "failing since", s.FailingSince, began)
	equal(t, "last error at", s.LastErrorAt, g.now)
	equal(t, "last error", errors.Is(s.LastError, persist.ErrUnknown), true)
	g.pass(1_000_000)
	equal(t, "Recovered", happened(g.settle(), EventRecovered), 1)
	equal(t, "failing since", g.stats().FailingSince, 0)
	g.do(g.update(persist.ID{1, 1}, "2"))
	g.pass(interval)
	equal(t, "Recovered again", happened(g.settle(), EventRecovered), 0)
}

// TestRetryDoesNotReviveOlderChanges (D12): what is written in the end is what is current then.
func TestRetryDoesNotReviveOlderChanges(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pass(interval)
	g.do(g.update(id, "2"))
	g.fails(persist.ErrUnavailable)
	g.pass(1_000_000)
	g.carries(0, 1, 0)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"k":2}`)
	equal(t, "idle", g.c.idle(), true)
}

// TestRetryKeepsTheOrderOfTheBatch: the oldest change is still the first to leave.
func TestRetryKeepsTheOrderOfTheBatch(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 3 })
	l := g.creates(6)
	for i, rec := range l[:3] {
		if i == 1 {
			g.do(g.touch(rec.ID))
			continue
		}
		g.do(g.update(rec.ID, "1"))
	}
	for _, rec := range l[3:] {
		g.do(g.touch(rec.ID))
	}
	g.fails(persist.ErrUnavailable)
	g.pass(1_000_000)
	b := g.carries(0, 2, 1)
	equal(t, "first", b.Writes[0].Ref.ID, l[0].ID)
	equal(t, "second", b.Touches[0].Ref.ID, l[1].ID)
	equal(t, "third", b.Writes[1].Ref.ID, l[2].ID)
	g.settle()
	g.carries(0, 0, 3)
}

// TestRetryTreatsAResultOfTheWrongLengthAsUnknown: nothing of it is believed.
func TestRetryTreatsAResultOfTheWrongLengthAsUnknown(t *testing.T) {
	one := []persist.Outcome{{Status: persist.StatusApplied}}
	two := []persist.Outcome{{Status: persist.StatusApplied}, {Status: persist.StatusApplied}}
	for _, res := range []persist.Result{
		{}, {Ops: one, Writes: one}, {Ops: one, Touches: one}, {Writes: one, Touches: one},
		{Ops: two, Writes: one, Touches: one}, {Ops: one, Writes: two, Touches: one}, {Ops: one, Writes: one, Touches: two},
	} {
		g := newHarness(t, nil)
		l := g.creates(3)
		g.startCommit()
		g.do(g.update(l[0].ID, "1"))
		g.do(g.touch(l[1].ID))
		r := g.destroy(l[2].ID)
		g.do(r)
		g.now += interval
		g.settle()
		g.carries(1, 1, 1)
		out := g.do(batchDone{result: res})
		g.refused(out, r, ErrNotDurable)
		g.refused(out, r, persist.ErrUnknown)
	}
}
