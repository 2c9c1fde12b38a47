package actor

import (
	"testing"
)

// TestAnAccessRenewsASessionByItsOwnLifetimeAndNotBeyondItsDeadline (S27, I6).
func TestAnAccessRenewsASessionByItsOwnLifetimeAndNotBeyondItsDeadline(t *testing.T) {
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
