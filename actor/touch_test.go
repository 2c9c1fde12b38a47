package actor

import (
	"testing"
)

// TestTouchRenewsByTheSessionsTTLAndNotBeyondItsDeadline (S27, I6).
func TestTouchRenewsByTheSessionsTTLAndNotBeyondItsDeadline(t *testing.T) {
	g := newHarness(t, nil)
	r := g.createReq("u")
	r.record.TTL, r.record.ExpiresAt, r.record.Deadline = 1000, g.now+1000, g.now+2500
	g.do(r)
	g.settle()
	born := g.now
	for _, want := range []int64{1900, 2500} {
		g.now += 900
		a := g.touch(r.record.ID)
		equal(t, "end", g.ok(g.do(a), a).view.end()-born, want)
	}
}

// TestTouchAtTheBoundIsDroppedAndCounted: of all that waits it is worth the least (D13).
func TestTouchAtTheBoundIsDroppedAndCounted(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending = 1 })
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
