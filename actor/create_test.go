package actor

import (
	"context"
	"testing"

	"github.com/sessile/sessile/persist"
)

// a session that is read by id between the commit of its create and its
// settling panics the loop, and so the process.
func TestCreateSettlesAfterItsSessionHasBeenRead(t *testing.T) {
	g := newHarness(t, nil)
	c := g.createReq("u")
	g.send(c)
	done := g.commit() // on disk and visible; the writer has not reported yet
	l, err := g.disk.ByUser(context.Background(), persist.UserKey{ID: "u"})
	if err != nil || len(l.Records) != 1 {
		t.Fatal(err)
	}
	r := g.readID(l.Records[0].ID) // ListForUser has told the id
	a := g.send(r)
	if len(a) != 1 || a[0].load == nil {
		t.Fatal(a)
	}
	offer := &loaded{load: a[0].load, record: l.Records[0]}
	if a := g.send(offer); len(a) != 1 || a[0].err != nil {
		t.Fatal(a)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("the loop panics: %v", p)
		}
	}()
	g.send(done)
}

// guests that a create of unknown outcome evicted stay in memory.
func TestCreateOfUnknownOutcomeForgetsGuests(t *testing.T) {
	g := newHarness(t, nil)
	first := g.create("")
	c := g.createReq("")
	c.limit.Max = 1
	g.send(c)
	g.commit() // done on disk: first is gone,
	g.send(batchDone{err: persist.ErrUnknown})
	if _, err := g.disk.ByID(context.Background(), first.ID); err == nil {
		t.Fatal("not evicted")
	}
	up := g.update(first.ID, "1")
	if a := g.send(up); len(a) == 1 && a[0].err == nil && a[0].load == nil {
		t.Fatal("an Update of a guest that is not there is acknowledged, and will be lost")
	}
}

// A create of unknown outcome may have evicted a session that somebody watches, which
// stays in memory, or whose row has been read already: memory served it for ever.
func TestCreateOfUnknownOutcomeWritesWatchedSessions(t *testing.T) {
	for name, user := range map[string]string{"a user's": "u", "a guest's": ""} {
		t.Run(name, func(t *testing.T) {
			g := newHarness(t, nil)
			first := g.create(user)
			w := g.watch(first.ID)
			g.ok(g.do(w), w)
			c := g.createReq(user)
			c.limit.Max = 1
			g.do(c)
			g.commit()
			g.do(batchDone{err: persist.ErrUnknown})
			for range 10 {
				if g.pass(10 * interval); g.batch != nil {
					g.settle()
				}
			}
			equal(t, "in memory", g.c.hot.ByID(first.ID) != nil, false)
		})
	}
}

func TestCreateOfUnknownOutcomeInstallsNoRowThatWasReadBefore(t *testing.T) {
	g := newHarness(t, nil)
	first := g.create("u")
	g.do(reset{reason: "test"})
	r := g.read(first.Hash)
	load := g.answer(g.do(r), r).load
	c := g.createReq("u")
	c.limit.Max = 1
	g.do(c)
	g.commit()
	g.do(batchDone{err: persist.ErrUnknown})
	offer := &loaded{load: load, record: *first}
	g.do(offer)
	equal(t, "in memory", g.c.hot.ByID(first.ID) != nil, false)
}

// The data of sessions that are being created counts as what waits for the disk (D13).
func TestCreateCountsItsBytesAsPending(t *testing.T) {
	g := newHarness(t, nil)
	g.startCommit()
	const size = 1000
	logins := func(n int) (l []command) {
		for range n {
			c := g.createReq("u")
			c.record.Data = append([]byte(`{"k":"`), append(make([]byte, size-8), `"}`...)...)
			g.do(c)
			l = append(l, c)
		}
		return l
	}
	before := g.stats().PendingBytes
	l := logins(5)
	equal(t, "they count", g.stats().PendingBytes-before, 5*size)
	g.do(abandon{call: l[0].base()})
	equal(t, "but not when they are given up", g.stats().PendingBytes-before, 4*size)
	g.settle()
	g.settle()
	equal(t, "nor when they are done", g.stats().PendingBytes, 0)
	logins(1)
	g.fails(persist.ErrUnavailable)
	equal(t, "nor when they have failed", g.stats().PendingBytes, 0)
}

// TestCreateWithALimitSeesThePendingTouchesOfItsUser: the least recently active session
// is chosen on disk (S37).
func TestCreateWithALimitSeesThePendingTouchesOfItsUser(t *testing.T) {
	for limit, touches := range []int{0, 1} { // without a limit nothing is chosen
		g := newHarness(t, nil)
		g.do(g.touch(g.create("u").ID))
		g.do(g.touch(g.create("v").ID))
		r := g.createReq("u")
		r.limit.Max = limit
		g.do(r)
		g.carries(1, 0, touches)
	}
}

// TestCreateIsRefusedWhileDestroyUserIsStuck: the retry would catch the new session.
func TestCreateIsRefusedWhileDestroyUserIsStuck(t *testing.T) {
	g := newHarness(t, nil)
	w := g.wipe("u")
	g.do(w)
	login := g.createReq("u") // too late to be refused at once
	g.do(login)
	g.refused(g.refuses(persist.ErrCorrupt), w, ErrNotDurable)
	g.refused(g.settle(), login, persist.ErrUnknown)
	g.carries(1, 0, 0) // and takes it back
	login = g.createReq("u")
	g.refused(g.do(login), login, persist.ErrUnavailable)
	g.settle()
	equal(t, "stuck", g.stats().StuckDeletes, 1)
	for _, user := range []string{"v", ""} {
		g.create(user)
	}
	g.pass(10_000_000)
	g.settle()
	g.create("u")
}
