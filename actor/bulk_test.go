package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestBulkGrowsWhileItCostsLittle, within its bounds.
func TestBulkGrowsWhileItCostsLittle(t *testing.T) {
	k := newBulk()
	for range 50 {
		k.learn(3000, false)
		k.learn(3000+bulkTime, true)
	}
	equal(t, "sessions", k.rows, mostRows)
	for range 50 {
		k.learn(3000, false)
		k.learn(3000+bulkTime+200, true)
	}
	equal(t, "sessions", k.rows, leastRows)
}

// TestBulkFindsTheNumberThatTakesItsTime, whatever a session costs and an fsync takes.
func TestBulkFindsTheNumberThatTakesItsTime(t *testing.T) {
	for _, fsync := range []int64{100, 10_000} {
		for _, row := range []int64{20, 40, 80} {
			k := newBulk()
			for range 100 {
				k.learn(fsync, false)
				k.learn(fsync+row*int64(k.rows), true)
			}
			if want := int(bulkTime / row); k.rows < want*7/10 || k.rows > want*13/10 {
				t.Errorf("an fsync takes %d and a session %d µs: %d sessions, about %d fit", fsync, row, k.rows, want)
			}
		}
	}
}

// TestBulkForgetsAQuickCommit: where the disk has become slower, that is not its fault.
func TestBulkForgetsAQuickCommit(t *testing.T) {
	k := newBulk()
	k.learn(100, false)
	for range 400 {
		k.learn(5000, true)
	}
	equal(t, "sessions", k.rows, mostRows)
}

// TestCleanupLeavesEverySecondCommitToOthers: with a part that a login hardly notices.
func TestCleanupLeavesEverySecondCommitToOthers(t *testing.T) {
	g := newHarness(t, nil)
	g.c.bulk.rows, g.c.bulk.most = 3, 3
	var refs []persist.Ref
	for range 10 {
		refs = append(refs, g.shortLived(1000).Ref())
	}
	g.now += 1000
	x := g.expireReq(refs)
	g.do(x)
	for range 3 {
		g.carries(3, 0, 0)
		login := g.createReq("v")
		g.do(login)
		g.settle()
		equal(t, "a login alone", g.carries(1, 0, 0).Ops[0].Kind, persist.OpCreate)
		g.ok(g.settle(), login)
	}
	g.carries(1, 0, 0)
	equal(t, "expired", g.ok(g.settle(), x).n, 10)
}

// TestCleanupGoesWithWhatHasTime: changes that nobody waits for do not hold it up.
func TestCleanupGoesWithWhatHasTime(t *testing.T) {
	g := newHarness(t, nil)
	g.c.bulk.rows, g.c.bulk.most = 2, 2
	var refs []persist.Ref
	for range 4 {
		refs = append(refs, g.shortLived(1000).Ref())
	}
	kept := g.create("u")
	g.now += 1000
	g.do(g.expireReq(refs))
	g.do(g.touch(kept.ID))
	g.now += interval
	g.settle()
	g.carries(2, 0, 1)
}

// TestCloseLetsACleanupEnd at once, as far as it has begun.
func TestCloseLetsACleanupEnd(t *testing.T) {
	g := newHarness(t, nil)
	g.c.bulk.rows, g.c.bulk.most = 2, 2
	var refs []persist.Ref
	for range 9 {
		refs = append(refs, g.shortLived(1000).Ref())
	}
	g.now += 1000
	x := g.expireReq(refs)
	g.do(x)
	g.do(closing{})
	g.settle()
	g.carries(7, 0, 0)
	equal(t, "expired", g.ok(g.settle(), x).n, 9)
}

// TestBulkGoesOnWhereThereIsLessRoom than when a piece was cut: two log-outs, and the disk
// becomes slower.
func TestBulkGoesOnWhereThereIsLessRoom(t *testing.T) {
	g, _ := inPieces(t, 9)
	for range 9 {
		g.create("v")
	}
	x, y := g.wipe("u"), g.wipe("v")
	g.do(x)
	g.do(y)
	g.settle()
	g.settle() // the first pieces; now y waits
	g.c.bulk.rows, g.c.bulk.most = 1, 1
	for range 20 {
		if g.batch != nil {
			g.settle()
		}
	}
	equal(t, "answered", x.answered && y.answered && x.n == 9 && y.n == 9, true)
}

// TestBulkOfALogOutTakesWhatACleanupLeaves: both together keep to the limit of one commit.
func TestBulkOfALogOutTakesWhatACleanupLeaves(t *testing.T) {
	g, _ := inPieces(t, 9)
	var refs []persist.Ref
	for range 5 {
		refs = append(refs, g.shortLived(1000).Ref())
	}
	g.now += 1000
	g.c.bulk.rows, g.c.bulk.most = 3, 3
	g.startCommit()
	g.do(g.expireReq(refs))
	g.do(g.wipe("u"))
	g.settle()
	g.carries(4, 0, 0) // three that have expired, and a first piece
	g.settle()
	b := g.carries(3, 0, 0)
	equal(t, "sessions of the log-out", b.Ops[2].Max, 1)
	g.settle()
	equal(t, "when the clean-up is done", g.carries(1, 0, 0).Ops[0].Max, 3)
}
