package actor

import (
	"testing"
)

func TestPendingBytesCountTheDataOfEachSessionOnce(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(2)
	bytes := func(want int) {
		t.Helper()
		equal(t, "pending bytes", g.stats().PendingBytes, want)
	}
	g.do(g.touch(l[0].ID))
	bytes(0) // times are no data
	g.do(g.update(l[0].ID, "1234"))
	bytes(10)
	g.do(g.update(l[0].ID, "12"))
	bytes(8)
	g.do(g.update(l[1].ID, "1"))
	bytes(15)
	g.pass(interval)
	g.carries(0, 2, 0)
	bytes(15) // not on disk yet
	g.do(g.update(l[1].ID, "123"))
	bytes(17)
	g.settle()
	bytes(9)
	g.do(g.destroy(l[1].ID))
	bytes(0)
}

func TestPendingBytesOfASessionInFlightSurviveATouch(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1234"))
	g.pass(interval)
	g.now++
	g.do(g.touch(id))
	equal(t, "while it is written", g.stats().PendingBytes, 10)
	g.settle()
	s := g.stats()
	equal(t, "after", s.PendingBytes, 0)
	equal(t, "pending", s.Pending, 1)
	g.pass(interval)
	g.carries(0, 0, 1)
}

// TestEvictionSparesSessionsWithPendingChanges (D6), and no longer than that (I8).
func TestEvictionSparesSessionsWithPendingChanges(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pinnedUntil(id, func() { g.pass(interval); g.settle() })
}

// TestEvictionSparesSessionsForEachReason: a change, a watcher, a rotation.
func TestEvictionSparesSessionsForEachReason(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	w, rot := g.watch(id), g.rotate(id, 1)
	done := g.ok(g.do(w), w).done
	leave := g.unwatch(id, done)
	g.do(g.update(id, "1"))
	g.pinnedUntil(id, func() {
		g.pass(interval)
		g.settle() // written
		g.pinnedUntil(id, func() {
			g.do(rot)
			g.do(leave) // nobody watches
			g.pinnedUntil(id, func() {
				g.settle() // rotated
			})
		})
	})
}

// TestWriteBuildsOnTheVersionThatTheLastOneStored.
func TestWriteBuildsOnTheVersionThatTheLastOneStored(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pass(interval)
	g.do(g.update(id, "2")) // while the first is written
	first := g.batch.Writes[0]
	g.settle()
	g.pass(interval)
	equal(t, "base of the second", g.batch.Writes[0].If, first.Next)
	g.settle()
	equal(t, "conflicts", g.stats().Conflicts, 0)
	g.empty()
}
