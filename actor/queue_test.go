package actor

import (
	"math/rand/v2"
	"testing"

	"github.com/sessile/sessile/persist"
)

// touchAt touches a session as if it lay at that place on disk.
func (g *rig) touchAt(id persist.ID, at int64) {
	g.do(g.touch(id))
	d := g.s.dirty[id]
	g.s.queue.unlink(d)
	d.place = at
	g.s.queue.link(d)
}

// TestABatchTakesTheOldestChangeWithItsNeighbours: where more waits than fits, a
// page that is written for one change is written for all.
func TestABatchTakesTheOldestChangeWithItsNeighbours(t *testing.T) {
	g := newRig(t, func(c *Config) { c.BatchSize = 4 })
	l := g.creates(8)
	g.fly()
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

// TestNoChangeIsHeldUpByOthersNeighbours: each batch begins with what has waited longest.
func TestNoChangeIsHeldUpByOthersNeighbours(t *testing.T) {
	g := newRig(t, func(c *Config) { c.BatchSize = 3 })
	l := g.creates(5)
	g.fly()
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

// TestASessionWithoutAKeyHasNoNeighbours.
func TestASessionWithoutAKeyHasNoNeighbours(t *testing.T) {
	g := newRig(t, func(c *Config) { c.BatchSize = 2 })
	l := g.creates(4)
	g.fly()
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

// TestAQueueKnowsTheNeighboursOfEveryChangeInIt, whatever comes, goes and is put back.
func TestAQueueKnowsTheNeighboursOfEveryChangeInIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	q := queue{near: make(map[int64]*dirty)}
	all := make([]*dirty, 40)
	for i := range all {
		all[i] = &dirty{place: int64(i%7) - 1} // -1: without a key
	}
	for n := range uint64(10_000) {
		switch d := all[rng.IntN(len(all))]; {
		case d.elem != nil:
			q.take(d)
		case rng.IntN(2) == 0 && d.first != 0:
			q.putBack(d)
		default:
			d.first = n + 1
			q.push(d)
		}
		checkQueue(t, &q, all)
	}
}

// checkQueue fails unless the queue is in order and the chains hold what is in it.
func checkQueue(t *testing.T, q *queue, all []*dirty) {
	t.Helper()
	for e := q.Front(); e != nil && e.Next() != nil; e = e.Next() {
		if queued(e).first > queued(e.Next()).first {
			t.Fatal("the queue is out of order")
		}
	}
	chained := make(map[*dirty]bool)
	for place, d := range q.near {
		for ; d != nil; d = d.next {
			if d.place != place || chained[d] {
				t.Fatal("a chain is not of its place, or two are one")
			}
			chained[d] = true
		}
	}
	for _, d := range all {
		if chained[d] != (d.elem != nil && d.place >= 0) {
			t.Fatalf("in the queue: %v, in a chain: %v, place %d", d.elem != nil, chained[d], d.place)
		}
	}
}

func TestAThousandKeysInARowAreNeighbours(t *testing.T) {
	equal(t, "the first and the last", placeOf(1), placeOf(1024))
	equal(t, "the next", placeOf(1025), placeOf(1)+1)
	equal(t, "none", placeOf(0), -1)
}
