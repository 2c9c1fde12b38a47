package actor

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sessile/sessile/persist"
)

// a rotation that is committed while its entry is dropped leaves no tombstone: a slow
// cold read brings the replaced token back.
func TestRotateOfADroppedSessionKeepsTheOldTokenDead(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	old := rec.Hash
	g.c.hot.Clear() // evicted
	slow := g.read(old)
	ld := g.send(slow)[0].load
	row, _ := g.disk.ByHash(context.Background(), slow.token) // and now the caller is slow
	r := g.readID(rec.ID)
	l2 := g.send(r)[0].load
	row2, _ := g.disk.ByID(context.Background(), rec.ID)
	offer := &loaded{load: l2, record: row2}
	g.send(offer)
	g.send(g.update(rec.ID, "1")) // its write fails by itself, five times
	rot := g.rotateTo(rec.ID, persist.Hash{50})
	for i := range itemTries {
		g.now += 200_000
		if i == itemTries-1 {
			g.send(rot) // together with the write: both are due
		} else {
			g.send(wakeUp{})
		}
		b := g.batch
		if b == nil || len(b.Writes) != 1 {
			t.Fatalf("try %d: %+v", i, b)
		}
		g.batch = nil
		rest := *b
		rest.Writes = nil
		res, err := g.disk.Apply(context.Background(), &rest)
		res.Writes = []persist.Outcome{{Status: persist.StatusFailed, Err: persist.ErrCorrupt}}
		g.send(batchDone{res, err})
	}
	if d, _ := g.disk.ByID(context.Background(), rec.ID); d.Hash != rot.change.To {
		t.Fatal("not rotated")
	}
	a := g.send(&loaded{load: ld, record: row})
	if len(a) == 1 && a[0].view != nil {
		t.Fatal("the replaced token opens the session")
	}
}

// A token whose grace had long ended was still a second key of its session, and in the
// middle of the next rotation what it found did not name it as the previous one any more:
// it was taken for the current token (I2).
func TestRotateNeverShowsATokenWhoseGraceIsOverAsCurrent(t *testing.T) {
	for name, end := range map[string]func(*harness){
		"rotated": func(g *harness) { g.settle() },
		"unknown": func(g *harness) { g.fails(persist.ErrUnknown) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				g := newHarness(t, nil)
				rec := g.create("u")
				first := g.graced(rec.ID, 2)
				g.rotated(first)
				g.seen(first, g.now+1)
				g.pass(10 * interval)
				g.settle()
				g.do(g.rotate(rec.ID, 3))
				var over, taken atomic.Bool
				var ready, reader sync.WaitGroup
				ready.Add(1)
				reader.Go(func() {
					ready.Done()
					for !over.Load() && !taken.Load() {
						v := g.p.index.Get((*[32]byte)(&rec.Hash))
						taken.Store(v != nil && v.Previous != rec.Hash)
					}
				})
				ready.Wait()
				end(g)
				over.Store(true)
				if reader.Wait(); taken.Load() {
					t.Fatal("it finds a session whose token it might be")
				}
			}
		})
	}
}

// TestRotateKillsTheOldToken (S20), in memory or by way of the disk.
func TestRotateKillsTheOldToken(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.rotated(r)
	at := g.now
	g.now += 1000
	equal(t, "rotated", g.stats().Rotated, 1)
	for _, cold := range []bool{false, true} {
		if cold {
			g.do(reset{reason: "test"})
		}
		equal(t, "when it was replaced", g.rotatedError(g.find(rec.Hash)).At, at)
		g.okay(g.find(r.change.To))
	}
}

// TestRotateGraceEndsAtItsInstant (S24): the old token opens the session before, and not from then on.
func TestRotateGraceEndsAtItsInstant(t *testing.T) {
	for _, cold := range []bool{false, true} {
		g := newHarness(t, nil)
		rec := g.create("u")
		r := g.graced(rec.ID, 1)
		g.rotated(r)
		g.okay(g.find(rec.Hash))
		g.seen(r, g.now+1_000_000)
		g.pass(interval)
		g.settle()
		g.now += 1_000_000 - interval - 1
		g.cold(cold)
		g.okay(g.find(rec.Hash))
		g.now++
		g.cold(true) // the index alone would still answer: whoever reads it looks at the grace
		g.rotatedError(g.find(rec.Hash))
		g.okay(g.find(r.change.To))
	}
}

// TestRotateWithAGraceIsRefusedDuringAGrace: it would take the token away that a browser still has (S24).
func TestRotateWithAGraceIsRefusedDuringAGrace(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	first := g.graced(id, 1)
	g.rotated(first)
	r := g.graced(id, 2)
	g.refused(g.do(r), r, ErrInGrace)
	g.seen(first, g.now+1000)
	r = g.graced(id, 2)
	g.now += 999
	g.refused(g.do(r), r, ErrInGrace)
	r = g.graced(id, 2)
	g.now++
	g.rotated(r)
}

// TestRotateWithoutAGraceIsDoneDuringAGrace: it ends the grace of the one before.
func TestRotateWithoutAGraceIsDoneDuringAGrace(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	first := g.graced(rec.ID, 1)
	g.rotated(first)
	g.rotated(g.rotate(rec.ID, 2))
	g.rotatedError(g.find(first.change.To))
	a := g.find(rec.Hash)
	equal(t, "opens", a.view != nil, false)
}

// TestRotateWithAGraceTwiceInOneBatchRefusesTheSecond (S21).
func TestRotateWithAGraceTwiceInOneBatchRefusesTheSecond(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.startCommit()
	first, second := g.graced(id, 1), g.graced(id, 2)
	g.do(first)
	g.do(second)
	g.refused(g.settle(), second, ErrInGrace)
	g.carries(1, 0, 0)
	g.ok(g.settle(), first)
}

func TestRotateWithoutAGraceTwiceInOneBatchDoesBoth(t *testing.T) {
	g := newHarness(t, nil)
	rec, other := g.create("u"), g.create("u")
	g.startCommit()
	first, second, third := g.rotate(rec.ID, 1), g.rotate(rec.ID, 2), g.rotate(other.ID, 3)
	for _, r := range []command{first, second, third} {
		g.do(r)
	}
	g.settle()
	b := g.carries(3, 0, 0)
	equal(t, "the first replaces", b.Ops[0].From, rec.Hash)
	equal(t, "the second replaces", b.Ops[1].From, first.change.To)
	equal(t, "another session's replaces", b.Ops[2].From, other.Hash)
	g.settle()
	g.okay(g.find(second.change.To))
}

// TestRotateFromAnotherTokenThanTheCurrentOneIsRefused (S21): when it comes and when it leaves.
func TestRotateFromAnotherTokenThanTheCurrentOneIsRefused(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	r.change.From = persist.Hash{99}
	g.rotatedError(g.answer(g.do(r), r))
	g.startCommit()
	first, second := g.rotate(rec.ID, 1), g.rotate(rec.ID, 2)
	first.change.From, second.change.From = rec.Hash, rec.Hash
	g.do(first)
	g.do(second)
	g.rotatedError(g.answer(g.settle(), second))
	g.ok(g.settle(), first)
}

func TestRotateOfASessionThatEndsBeforeTheBatchIsNotDone(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.startCommit()
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.do(g.destroy(rec.ID))
	g.refused(g.settle(), r, persist.ErrNotFound)
	g.carries(1, 0, 0)
}

// TestRotateKeepsTheTimeOfReauthentication.
func TestRotateKeepsTheTimeOfReauthentication(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	authAt := func(r *rotateCommand) int64 {
		g.rotated(r)
		rec, _ := g.disk.ByID(t.Context(), id)
		equal(t, "in memory", g.find(r.change.To).view.AuthAt, rec.AuthAt)
		return rec.AuthAt
	}
	equal(t, "never", authAt(g.rotate(id, 1)), 0)
	r := g.rotate(id, 2)
	r.change.Reauth = true
	at := g.now
	equal(t, "now", authAt(r), at)
	g.now += 5000
	equal(t, "still", authAt(g.rotate(id, 3)), at)
	r = g.rotate(id, 4)
	r.change.Reauth = true
	equal(t, "again", authAt(r), at+5000)
}

func TestRotateKeepsItsSessionFromEviction(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.rotate(id, 1))
	g.pinnedUntil(id, func() { g.settle() })
}

// TestRotateOfARowThatIsGoneEndsTheSessionInMemory.
func TestRotateOfARowThatIsGoneEndsTheSessionInMemory(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	x := g.rotate(rec.ID, 1)
	g.waits(g.do(x), x)
	_, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpDestroy, Ref: persist.Ref{ID: rec.ID}}}})
	equal(t, "deleted by others", err, nil)
	g.refused(g.settle(), x, persist.ErrNotFound)
	equal(t, "in memory", g.c.hot.ByID(rec.ID) == nil, true)
}

// TestRotateOfASessionThatAnotherProgramHasDeletedEndsIt.
func TestRotateOfASessionThatAnotherProgramHasDeletedEndsIt(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	w := g.watch(rec.ID)
	done := g.ok(g.do(w), w).done
	if _, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpDestroy, Ref: rec.Ref()}}}); err != nil {
		t.Fatal(err)
	}
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.refused(g.settle(), r, persist.ErrNotFound)
	equal(t, "who watches it is told", over(done), true)
	equal(t, "its token opens it", g.find(rec.Hash).err == nil, false)
	equal(t, "at rest", g.c.idle() && g.c.tombstones.len() == 0, true)
}
