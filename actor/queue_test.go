package actor

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sessile/sessile/persist"
)

// touchAt touches a session as if it lay at that place on disk.
func (g *harness) touchAt(id persist.ID, at int64) {
	g.do(g.touch(id))
	d := g.c.dirty[id]
	g.c.queue.unlink(d)
	d.place = at
	g.c.queue.link(d)
}

// TestQueueTakesTheOldestChangeWithItsNeighbours: where more waits than fits, a
// page that is written for one change is written for all.
func TestQueueTakesTheOldestChangeWithItsNeighbours(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 4 })
	l := g.creates(8)
	g.startCommit()
	for i, rec := range l {
		g.touchAt(rec.ID, int64(i%2))
	}
	for first := range 2 {
		g.settle()
		place := make(map[persist.ID]bool)
		for i := first; i < len(l); i += 2 {
			place[l[i].ID] = true
		}
		for _, w := range g.carries(0, 0, 4).Touches {
			equal(t, "of the place of the oldest", place[w.Ref.ID], true)
		}
	}
}

// TestQueueDelaysNoChangeForNeighboursOfOthers: each batch begins with what has waited longest.
func TestQueueDelaysNoChangeForNeighboursOfOthers(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 3 })
	l := g.creates(5)
	g.startCommit()
	g.touchAt(l[0].ID, 7)
	g.touchAt(l[4].ID, 8)
	g.touchAt(l[1].ID, 7)
	g.touchAt(l[2].ID, 7)
	g.settle()
	equal(t, "the oldest is first", g.carries(0, 0, 3).Touches[0].Ref.ID, l[0].ID)
	for _, rec := range l[:4] { // of the same place, younger
		g.touchAt(rec.ID, 7)
	}
	g.settle()
	equal(t, "the next is who waited", g.carries(0, 0, 3).Touches[0].Ref.ID, l[4].ID)
}

// TestQueueFindsNoNeighboursWithoutAKey.
func TestQueueFindsNoNeighboursWithoutAKey(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 2 })
	l := g.creates(4)
	g.startCommit()
	for _, rec := range l {
		g.touchAt(rec.ID, placeOf(0))
	}
	for i := range 2 {
		g.settle()
		b := g.carries(0, 0, 2)
		equal(t, "as they came", b.Touches[0].Ref.ID, l[2*i].ID)
		equal(t, "as they came", b.Touches[1].Ref.ID, l[2*i+1].ID)
	}
}

// TestQueueTakesTheOldestNeighboursFirst: what is more than a batch does not sink under what comes.
func TestQueueTakesTheOldestNeighboursFirst(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.BatchSize = 2 })
	l := g.creates(5)
	g.startCommit()
	for _, rec := range l[:3] {
		g.touchAt(rec.ID, 7)
	}
	g.settle()
	equal(t, "of three the first", g.carries(0, 0, 2).Touches[1].Ref.ID, l[1].ID)
	g.touchAt(l[3].ID, 7)
	g.touchAt(l[4].ID, 7)
	g.settle()
	b := g.carries(0, 0, 2)
	equal(t, "what was left", b.Touches[0].Ref.ID, l[2].ID)
	equal(t, "and what came then", b.Touches[1].Ref.ID, l[3].ID)
}

// TestQueuePutsAFailedBatchBackInOrder (D12): a batch takes neighbours of
// any age, and those that stay are of any age too.
func TestQueuePutsAFailedBatchBackInOrder(t *testing.T) {
	const waiting, places = 60_000, 97
	q := queue{near: make(map[int64]*dirty)}
	all := make([]*dirty, waiting)
	for i := range all {
		all[i] = &dirty{first: uint64(i + 1), spot: spot{place: int64(i % places)}}
		q.push(all[i])
	}
	var taken []*dirty
	for len(taken) < 4096 {
		for d := q.oldest(); d != nil && len(taken) < 4096; d = q.near[d.place] {
			q.take(d)
			taken = append(taken, d)
		}
	}
	q.putBack(taken)
	checkQueue(t, &q, all)
	for i, e := 0, q.Front(); e != nil; i, e = i+1, e.Next() {
		if queued(e) != all[i] {
			t.Fatalf("number %d is not where it was", i)
		}
	}
	equal(t, "the first of a place", q.near[3], all[3])
}

// TestQueueKnowsTheNeighboursOfEveryChange, whatever comes, goes and is put back.
func TestQueueKnowsTheNeighboursOfEveryChange(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	q := queue{near: make(map[int64]*dirty)}
	all := make([]*dirty, 40)
	for i := range all {
		all[i] = &dirty{spot: spot{place: int64(i%7) - 1}} // -1: without a key
	}
	for n := range uint64(10_000) {
		switch d := all[rng.IntN(len(all))]; {
		case d.elem != nil:
			q.take(d)
		case rng.IntN(2) == 0:
			q.putBack(slices.DeleteFunc(slices.Clone(all), func(x *dirty) bool { return x.elem != nil || x.first == 0 || rng.IntN(2) == 0 }))
		default:
			d.first = n + 1
			q.push(d)
		}
		checkQueue(t, &q, all)
	}
}

// checkQueue fails unless the queue is in order and the rings hold what is in it.
func checkQueue(t *testing.T, q *queue, all []*dirty) {
	t.Helper()
	for e := q.Front(); e != nil && e.Next() != nil; e = e.Next() {
		if queued(e).first > queued(e.Next()).first {
			t.Fatal("the queue is out of order")
		}
	}
	ringed := make(map[*dirty]bool)
	for place, first := range q.near {
		for d := first; !ringed[d]; d = d.next {
			ringed[d] = true
			if d.place != place || d.next.prev != d {
				t.Fatal("a ring is broken, or not of its place")
			}
		}
	}
	for _, d := range all {
		if ringed[d] != (d.elem != nil && d.place >= 0) {
			t.Fatalf("in the queue: %v, in a ring: %v, place %d", d.elem != nil, ringed[d], d.place)
		}
	}
}

func TestQueueTreatsAThousandKeysInARowAsNeighbours(t *testing.T) {
	equal(t, "the first and the last", placeOf(1), placeOf(1024))
	equal(t, "the next", placeOf(1025), placeOf(1)+1)
	equal(t, "none", placeOf(0), -1)
}
