package actor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

func TestReadOfAnUnknownTokenIsCounted(t *testing.T) {
	g := newHarness(t, nil)
	for i := range byte(3) {
		g.refusedFind(persist.Hash{9, i})
	}
	r := g.readID(persist.ID{9}) // an id is no token
	g.refused(g.by(r), r, persist.ErrNotFound)
	equal(t, "unknown tokens", g.stats().UnknownTokens, 3)
}

func (g *harness) refusedFind(h persist.Hash) {
	g.Helper()
	if err := g.find(h).err; !errors.Is(err, persist.ErrNotFound) {
		g.Fatal(err)
	}
}

// TestReadThatIsAbandonedDoesNotDegradeHealth: the next reads it again, once.
func TestReadThatIsAbandonedDoesNotDegradeHealth(t *testing.T) {
	for _, own := range []bool{true, false} {
		g := newHarness(t, nil)
		r, next, left := g.read(persist.Hash{9}), g.read(persist.Hash{9}), g.read(persist.Hash{9})
		l := g.answer(g.do(r), r).load
		g.do(left)
		g.do(next)
		g.do(abandon{call: left.base()})
		offer := &loaded{load: l, err: context.Canceled, own: own}
		out := g.do(offer)
		g.refused(out, r, context.Canceled)
		equal(t, "the next reads", g.answer(out, next).load != nil, own)
		g.waits(out, left)
	}
}

// while one cold read is slow, every write of a session adds another tombstone.
func TestTombstonesOfOneRowDoNotGrowDuringASlowRead(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	slow := g.read(persist.Hash{99}) // of an unknown token, say
	g.send(slow)
	for range 5000 {
		r := g.touchTo(rec.ID, g.now, g.now+3_600_000_000)
		g.send(r)
		g.now += 200_000
		g.send(wakeUp{})
		g.send(g.commit())
	}
	if n := len(g.c.tombstones.committed); n > 1000 {
		t.Fatalf("%d tombstones of one session's row; Stats.Tombstones says %d", n, g.c.tombstones.len())
	}
}

// Two rotations that were committed together have left no trace of the first token on
// disk, and nobody has been told yet. A read of that token that came to the disk then was
// told that there is no such session, and the next one, from memory, found it.
func TestReadFindsATokenWhileItsRotationsSettle(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.do(reset{reason: "test"}) // it is on disk alone
	r := g.read(rec.Hash)
	load := g.answer(g.do(r), r).load
	g.startCommit()
	first := g.rotate(rec.ID, 2)
	g.do(&loaded{load: g.answer(g.do(first), first).load, record: *rec})
	g.do(g.rotate(rec.ID, 3))
	g.settle()
	settles := g.commit()
	_, err := g.disk.ByHash(t.Context(), r.token)
	offer := &loaded{load: load, err: err}
	g.okay(g.answer(g.do(offer), r))
	g.okay(g.find(rec.Hash))
	g.do(settles)
	equal(t, "afterwards it is refused", g.find(rec.Hash).err != nil, true)
}

// The same for a read by id, of a session that a login evicts: on disk it is gone already,
// in memory it is there until the login is settled.
func TestTouchFindsItsSessionWhileALoginSettles(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.do(reset{reason: "test"})
	r := g.touch(rec.ID)
	load := g.answer(g.do(r), r).load
	g.c.install(*rec, viewOf(*rec), false)
	offer := &loaded{load: load, err: persist.ErrNotFound}
	g.okay(g.answer(g.do(offer), r))
}

// TestReadDoesNotReviveAnEvictedSession (S32, S37).
func TestReadDoesNotReviveAnEvictedSession(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	g.cold(true)
	slow := g.read(rec.Hash)
	l := g.answer(g.do(slow), slow).load
	old, _ := g.disk.ByHash(t.Context(), slow.token)
	r := g.createReq("u")
	r.limit.Max = 1
	g.do(r)
	g.ok(g.settle(), r)
	offer := &loaded{load: l, record: old}
	g.refused(g.do(offer), slow, persist.ErrNotFound)
	equal(t, "tombstones at rest", g.c.tombstones.len(), 0)
}

// TestReadErrorIsSharedByAllWhoWaitForTheLoad (S48): it is not read again for each.
func TestReadErrorIsSharedByAllWhoWaitForTheLoad(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		hold, reads := make(chan struct{}), 0
		l.disk.Set(persisttest.Hooks{
			Before: persisttest.On(persisttest.ByID, func(*persisttest.Call) { reads++; <-hold }),
			Fail:   persisttest.FailOn(persisttest.ByID, persist.ErrUnavailable),
		})
		got := make(chan error, 2)
		for range 2 {
			go func() { _, err := l.Read(l.Context(), persist.ID{9}); got <- err }()
		}
		synctest.Wait()
		close(hold)
		l.is(<-got, persist.ErrUnavailable)
		l.is(<-got, persist.ErrUnavailable)
		equal(t, "reads", reads, 1)
	})
}

// TestReadBeyondTheBoundOfLoadsIsRefusedAndCounted (D13).
func TestReadBeyondTheBoundOfLoadsIsRefusedAndCounted(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxLoads = 2 })
	var reads []command
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
	g.do(abandon{call: reads[0].base(), gone: true}) // same goes on in its place
	equal(t, "cold reads", g.stats().ColdReads, 3)
}

// Cold reads wait for those before them, and memory answers if it can by then.
func TestReadWaitsForRoomAmongTheLoads(t *testing.T) {
	g := newHarness(t, func(c *Config) { narrow(c); c.MaxPending = 100; c.Entries = 1 })
	all := []*persist.Record{g.create("u"), g.create("u"), g.create("u"), g.create("u"), g.create("u")}
	var reqs []command
	var first *loaded
	for _, rec := range all[:4] {
		r := g.readID(rec.ID)
		a := g.ask(r)
		if led := a != nil && a.load != nil; led != (len(reqs) < 2) {
			t.Fatalf("read %d: %v", len(reqs), a)
		}
		if a != nil && first == nil {
			first = &loaded{load: a.load, record: *rec}
		}
		reqs = append(reqs, r)
	}
	got := g.send(first)
	if a := answerTo(got, reqs[2]); a == nil || a.load == nil || len(got) != 2 {
		t.Fatalf("the next: %v", got)
	}
	if a := answerTo(g.after(50*ms), reqs[3]); !refused(a) {
		t.Errorf("the last: %v", a)
	}
	if s := g.c.snapshot(); s.Loads != 2 || s.Waiting != 0 || s.Overloaded != 1 {
		t.Errorf("%+v", s)
	}
}
