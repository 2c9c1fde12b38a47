package actor

import (
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
)

// TestBatchStartsAfterBatchIntervalAndNotBefore (I7).
func TestBatchStartsAfterBatchIntervalAndNotBefore(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	equal(t, "wake", g.do(g.touch(id)).wake, micro(interval))
	equal(t, "wake", g.pass(interval-1).wake, micro(1))
	g.empty()
	equal(t, "wake while it is written", g.pass(1).wake, never)
	g.carries(0, 0, 1)
	equal(t, "wake at rest", g.settle().wake, never)
	equal(t, "idle", g.c.idle(), true)
}

// TestBatchStartsWhenItsOldestChangeIsDue: later ones travel with it.
func TestBatchStartsWhenItsOldestChangeIsDue(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(2)
	g.do(g.touch(l[0].ID))
	g.now += interval / 2
	g.do(g.touch(l[1].ID))
	equal(t, "wake", g.do(g.touch(l[0].ID)).wake, micro(interval/2))
	g.pass(interval / 2)
	g.carries(0, 0, 2)
}

func TestBatchOfBatchSizeStartsAtOnce(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 3 })
	l := g.creates(3)
	for _, rec := range l[:2] {
		g.do(g.touch(rec.ID))
		g.empty()
	}
	g.do(g.touch(l[2].ID))
	g.carries(0, 0, 3)
}

func TestBatchLeavesTheRestForTheNext(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 3 })
	l := g.creates(5)
	g.startCommit()
	for _, rec := range l {
		g.do(g.touch(rec.ID))
	}
	g.settle()
	g.carries(0, 0, 3)
	g.settle()
	g.empty()
	g.pass(interval)
	g.carries(0, 0, 2)
}

func TestBatchTakesOperationsFirstAndThenChanges(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 8 })
	l := g.creates(7)
	g.startCommit()
	for _, rec := range l {
		g.do(g.touch(rec.ID))
	}
	for i := range byte(3) {
		g.do(g.destroy(persist.ID{9, i}))
	}
	g.now += interval
	g.settle()
	g.carries(3, 0, 5)
}

func TestBatchKeepsAQuarterForChanges(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 8 })
	l := g.creates(7)
	g.startCommit()
	for _, rec := range l {
		g.do(g.touch(rec.ID))
	}
	for i := range byte(20) {
		g.do(g.destroy(persist.ID{9, i}))
	}
	g.now += interval
	g.settle()
	g.carries(8, 0, 2)
	g.settle()
	g.carries(8, 0, 2)
	g.settle()
	g.carries(4, 0, 3)
}

// TestBatchWaitsForTheOneInFlight: what comes meanwhile makes the next one (D15).
func TestBatchWaitsForTheOneInFlight(t *testing.T) {
	g := newHarness(t, nil)
	g.startCommit()
	first := g.batch
	for i := range byte(3) {
		out := g.do(g.destroy(persist.ID{9, i}))
		if out.batch != nil {
			t.Fatal("a second batch")
		}
		equal(t, "wake", out.wake, never)
	}
	g.batch = first
	g.settle()
	g.carries(3, 0, 0)
}

func TestBatchNextReturnsItsTime(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.startCommit()
	g.do(g.touch(id))
	g.now += interval / 4
	equal(t, "wake", g.settle().wake, micro(interval*3/4))
	g.empty()
}

func TestBatchCountsItsItems(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(3)
	before := g.stats()
	for _, rec := range l {
		g.do(g.touch(rec.ID))
	}
	g.pass(interval)
	g.settle()
	s := g.stats()
	equal(t, "batches", s.Batches-before.Batches, 1)
	equal(t, "items", s.BatchItems-before.BatchItems, 3)
	equal(t, "batches of creates", before.Batches, 3)
}

// Operations must not starve the write-behind when batches are small.
func TestBatchTakesChangesBesideAFloodOfOperations(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 4 })
	rec := g.create("u")
	r := g.touchTo(rec.ID, g.now, g.now+3_600_000_000)
	g.send(r)
	for i := range 100 {
		for range 8 {
			g.n++
			g.send(g.destroy(persist.ID{7, byte(i), g.n})) // unknown: anybody's logout with an old id
		}
		g.now += 100_000
		if g.batch != nil {
			g.send(g.commit())
		}
	}
	if g.c.queue.Len() > 0 {
		t.Fatalf("a touch has waited for %v with BatchInterval 100ms", time.Duration(g.c.age())*time.Microsecond)
	}
}
