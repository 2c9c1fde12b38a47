package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestTheGateClosesAtTheBoundAndOpensBelowNineTenthsOfIt (D13, D14).
func TestTheGateClosesAtTheBoundAndOpensBelowNineTenthsOfIt(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxPending, c.BatchSize = 10, 1 })
	l := g.creates(10)
	g.fly() // one of the ten
	for i, rec := range l[:9] {
		out := g.do(g.update(rec.ID, "1"))
		equal(t, "full", g.full(out), i == 8)
	}
	for _, open := range []bool{false, true} { // nine are as good as ten, eight are not
		out := g.settle()
		equal(t, "open", !g.full(out), open)
	}
	equal(t, "Stats.Full", g.stats().Full, false)
}

func TestOperationsCountAtTheBound(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxPending = 3 })
	g.fly() // one
	equal(t, "full", g.full(g.do(g.destroy(persist.ID{9, 1}))), false)
	equal(t, "full", g.full(g.do(g.destroy(persist.ID{9, 2}))), true)
	equal(t, "Stats.Full", g.stats().Full, true)
	equal(t, "full when they are under way", g.full(g.settle()), false)
}

// TestTheGateClosesAtTheBoundOfBytesToo (D13, D14), and opens below nine tenths of
// it: `{"k":…}` is six bytes and its value.
func TestTheGateClosesAtTheBoundOfBytesToo(t *testing.T) {
	for left, shut := range map[int]bool{18: true, 17: false} {
		g := newRig(t, func(c *Config) { c.MaxPendingBytes, c.BatchSize = 20, 1 })
		l := g.creates(3)
		equal(t, "full with 8", g.full(g.do(g.update(l[0].ID, "12"))), false)
		equal(t, "full with 19", g.full(g.do(g.update(l[1].ID, "12345"))), false)
		g.do(g.update(l[2].ID, "1234567"[:left-17]))
		equal(t, "full with more", g.s.gated, true)
		equal(t, "full afterwards", g.full(g.settle()), shut)
		equal(t, "pending bytes", g.stats().PendingBytes, left)
	}
}

// TestAFloodOfTouchesLeavesRoomForLogins (D13): a quarter of the bound.
func TestAFloodOfTouchesLeavesRoomForLogins(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxPending = 8 })
	for _, rec := range g.creates(10) {
		r := g.touch(rec.ID)
		g.ok(g.do(r), r)
	}
	equal(t, "pending", g.stats().Pending, 6)
	equal(t, "dropped", g.stats().TouchesDropped, 4)
	for range 2 {
		r := g.createReq("late")
		g.waits(g.do(r), r)
	}
	equal(t, "waiting for room", g.stats().Waiting, 0)
}

// TestATouchAtTheBoundIsDroppedAndCounted: of all that waits it is worth the least (D13).
func TestATouchAtTheBoundIsDroppedAndCounted(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxPending = 1 })
	l := g.creates(2)
	first, again, other := g.touch(l[0].ID), g.touch(l[0].ID), g.touch(l[1].ID)
	g.ok(g.do(first), first)
	g.now += 1000
	g.ok(g.do(again), again) // costs nothing more: its session waits already
	g.ok(g.do(other), other)
	s := g.stats()
	equal(t, "touches", s.Touches, 2)
	equal(t, "dropped", s.TouchesDropped, 1)
	equal(t, "pending", s.Pending, 1)
	g.pass(interval)
	b := g.carries(0, 0, 1)
	equal(t, "written", b.Touches[0].LastActive, l[0].LastActive+1000)
}

func TestASeenNoteAtTheBoundIsDropped(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxPending = 1 })
	l := g.creates(2)
	r := g.rotate(l[0].ID, 1)
	r.until = persist.Unseen
	g.do(r)
	g.settle()
	g.do(g.touch(l[1].ID))
	n := g.req(kindSeen)
	n.id, n.to, n.until = l[0].ID, r.to, g.now+1000
	g.ok(g.do(n), n)
	equal(t, "pending", g.stats().Pending, 1)
}

// TestADestroyAtTheBoundIsTaken (D13).
func TestADestroyAtTheBoundIsTaken(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxPending = 1 })
	l := g.creates(2)
	equal(t, "full", g.full(g.do(g.touch(l[0].ID))), true)
	r := g.destroy(l[1].ID)
	g.do(r)
	g.carries(1, 0, 0)
	g.ok(g.settle(), r)
}

func TestPendingBytesAreTheDataOfEachSessionOnce(t *testing.T) {
	g := newRig(t, nil)
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

func TestATouchWhileItsSessionIsWrittenKeepsTheBytesUntilThen(t *testing.T) {
	g := newRig(t, nil)
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

// TestMoreColdReadsThanTheBoundAreRefusedAndCounted (D13).
func TestMoreColdReadsThanTheBoundAreRefusedAndCounted(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxLoads = 2 })
	var reads []*request
	for i := range byte(3) {
		r := g.read(persist.Hash{9, i})
		reads = append(reads, r)
		out := g.do(r)
		if i == 2 {
			g.refused(out, r, ErrOverloaded)
			break
		}
		equal(t, "a load", g.answer(out, r).load != nil, true)
	}
	same := g.read(persist.Hash{9, 0}) // waits for the read under way
	g.waits(g.do(same), same)
	s := g.stats()
	equal(t, "cold reads", s.ColdReads, 2)
	equal(t, "under way", s.Loads, 2)
	equal(t, "overloaded", s.Overloaded, 1)
	g.do(abandon{req: reads[0], gone: true}) // same goes on in its place
	equal(t, "cold reads", g.stats().ColdReads, 3)
}

// TestADestroyOfTheUnknownWaitsForRoomAmongTheGraves (D13).
func TestADestroyOfTheUnknownWaitsForRoomAmongTheGraves(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxGraves = 2 })
	known := g.create("u").ID
	var asked []*request
	for i := range byte(4) {
		r := g.destroy(persist.ID{9, i})
		g.do(r)
		asked = append(asked, r)
	}
	equal(t, "tombstones", g.stats().Tombstones, 2)
	r := g.destroy(known) // is never held up
	g.do(r)
	equal(t, "tombstones", g.stats().Tombstones, 4) // an id, and an id with its token
	g.ok(g.settle(), asked[0])                      // the first batch had it alone
	g.carries(2, 0, 0)
	g.settle()
	g.carries(2, 0, 0)
	out := g.settle()
	g.ok(out, asked[2])
	g.ok(out, asked[3])
	equal(t, "tombstones", g.stats().Tombstones, 0)
}
