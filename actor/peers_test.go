package actor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestLeaseEndsAtItsInstant: memory is good for Lease after everything older than age was delivered.
func TestLeaseEndsAtItsInstant(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Exclusive, c.Lease = false, micro(1000) })
	rec := g.create("u")
	equal(t, "lapsed before any news", g.stats().LeaseLapsed, true)
	end := g.now + 1000 - 300
	equal(t, "lease", g.do(renew{g.now - 300}).lease, end)
	equal(t, "lease after older news", g.do(renew{g.now - 800}).lease, end)
	g.now = end - 1
	r := g.read(rec.Hash)
	g.ok(g.do(r), r)
	equal(t, "lapsed", g.stats().LeaseLapsed, false)
	g.now = end
	r = g.read(rec.Hash)
	equal(t, "it reads the disk", g.answer(g.do(r), r).load != nil, true)
	equal(t, "lapsed", g.stats().LeaseLapsed, true)
}

// TestInvalidationDropsWhatAnotherNodeChanged, and nothing else.
func TestInvalidationDropsWhatAnotherNodeChanged(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Exclusive, c.Lease = false, micro(1e9) })
	changed, kept, out, other := g.create("u"), g.create("v"), g.create("v"), g.create("w")
	g.do(invalidate{[]persist.Event{
		{Kind: persist.EventSessionChanged, ID: changed.ID}, {Kind: persist.EventSessionChanged, ID: persist.ID{99}},
		{Kind: persist.EventUserChanged, UserID: "v", Except: kept.ID},
	}})
	for rec, there := range map[*persist.Record]bool{changed: false, kept: true, out: false, other: true} {
		equal(t, rec.UserID, g.c.hot.ByID(rec.ID) != nil, there)
	}
}

// shared backend: with the lease over, a list shows what memory has rather than what it has just read.
func TestListAfterTheLeaseShowsWhatTheDiskHas(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Second })
	g.send(renew{g.now})
	rec := g.create("u")
	g.now += 10_000_000 // no news: the lease is over
	r := g.list("u")
	a := g.send(r)
	if len(a) != 1 || a[0].load == nil {
		t.Fatal(a)
	}
	l, _ := g.disk.ByUser(context.Background(), r.user)
	l.Records[0].Version, l.Records[0].Data = 77, []byte(`{"by":"another node"}`)
	offer := &loaded{load: a[0].load, listing: l}
	a = g.send(offer)
	if len(a) != 1 || len(a[0].views) != 1 {
		t.Fatal(a)
	}
	if v := a[0].views[0]; v.Version != 77 {
		t.Fatalf("the list shows version %d of %x from untrusted memory, the disk just said 77", v.Version, rec.ID)
	}
}

// shared backend: another node destroys the session between our commit and its settling.
func TestInvalidationBeforeACreateSettlesIsKept(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Hour })
	g.send(renew{g.now})
	c := g.createReq("u")
	g.send(c)
	done := g.commit()
	_, err := g.disk.Apply(context.Background(), &persist.Batch{Now: g.now, Ops: []persist.Op{{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "u"}}}})
	if err != nil {
		t.Fatal(err)
	}
	g.send(invalidate{[]persist.Event{{Kind: persist.EventUserChanged, UserID: "u"}}}) // delivered before the other's Apply returned
	g.send(done)
	for range 10 {
		g.now += 1_000_000
		g.send(renew{g.now})
	}
	if g.p.index.Get((*[32]byte)(&c.record.Hash)) != nil {
		t.Fatal("the other node's log-out was acknowledged, and this node serves the session from memory for ever")
	}
}

// TestReadBeforeAnInvalidationAnswersAndIsNotKept.
func TestReadBeforeAnInvalidationAnswersAndIsNotKept(t *testing.T) {
	for _, byID := range []bool{false, true} {
		g := shared(t)
		rec := g.create("u")
		g.cold(true)
		g.do(renew{g.now})
		var r command = g.read(rec.Hash)
		if byID {
			r = g.readID(rec.ID)
		}
		l := g.answer(g.do(r), r).load
		g.do(invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}})
		old, _ := g.disk.ByID(t.Context(), rec.ID)
		offer := &loaded{load: l, record: old}
		g.okay(g.answer(g.do(offer), r))
		equal(t, "kept", g.stats().Hot, 0)
	}
}

// TestLeaseThatHasEndedLetsTheDiskReplaceMemory.
func TestLeaseThatHasEndedLetsTheDiskReplaceMemory(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	g.now += 1_000_000
	for _, resident := range []bool{true, false} {
		g.cold(!resident)
		r := g.readID(rec.ID)
		l := g.answer(g.do(r), r).load
		row, _ := g.disk.ByID(t.Context(), rec.ID)
		row.Version = 77
		offer := &loaded{load: l, record: row}
		equal(t, "version", g.ok(g.do(offer), r).view.Version, 77)
	}
}

// TestUpdateInFlightIsAnsweredThoughItsSessionHasYielded: the lease is over, and a row that was
// read before the commit replaces what memory has.
func TestUpdateInFlightIsAnsweredThoughItsSessionHasYielded(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	up := g.update(rec.ID, "1")
	g.waits(g.do(up), up)
	g.carries(0, 1, 0)
	g.now += 1_000_000
	r := g.read(rec.Hash)
	l := g.answer(g.do(r), r).load
	row, _ := g.disk.ByID(t.Context(), rec.ID)
	equal(t, "read meanwhile", string(g.ok(g.do(&loaded{load: l, record: row}), r).view.Doc.JSON()), `{}`)
	equal(t, "updated", string(g.ok(g.settle(), up).view.Doc.JSON()), `{"k":1}`)
	g.do(renew{g.now})
	equal(t, "read after that", string(g.find(rec.Hash).view.Doc.JSON()), `{"k":1}`)
}

// TestUpdatesThatWaitInLineAreWrittenThoughTheirSessionYields: one is in flight, and two wait for the next batch.
func TestUpdatesThatWaitInLineAreWrittenThoughTheirSessionYields(t *testing.T) {
	for name, news := range map[string]func(persist.ID) message{
		"a change by another node": func(id persist.ID) message {
			return invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: id}}}
		},
		"a reset": func(persist.ID) message { return reset{reason: "test"} },
	} {
		g := shared(t)
		rec := g.create("u")
		calls := []*updateCommand{g.update(rec.ID, "1"), g.update(rec.ID, "2"), g.update(rec.ID, "3")}
		for i, x := range calls {
			x.changes[0].Key = string(rune('a' + i))
			g.waits(g.do(x), x)
		}
		answered := g.serve(g.do(news(rec.ID)))
		for _, x := range calls {
			equal(t, name+": answered", answered[x.base()], true)
			equal(t, name+": error", x.err, nil)
		}
		row, err := g.disk.ByID(t.Context(), rec.ID)
		equal(t, name+": stored", string(row.Data), `{"a":1,"b":2,"c":3}`)
		equal(t, name+": error", err, nil)
		equal(t, name+": idle", g.c.idle(), true)
	}
}

// serve does what the core asks for, until it asks for nothing more: it commits batches and reads sessions. It returns the
// calls that were answered.
func (g *harness) serve(out *effects) map[*call]bool {
	g.Helper()
	answered := make(map[*call]bool)
	var loads []*load
	for {
		for _, r := range out.replies {
			if r.load != nil {
				loads = append(loads, r.load)
			} else {
				answered[r.call] = true
			}
		}
		switch {
		case g.batch != nil:
			out = g.settle()
		case len(loads) > 0:
			l := loads[0]
			loads = loads[1:]
			row, err := g.disk.ByID(g.Context(), l.id)
			out = g.do(&loaded{load: l, record: row, err: err})
		default:
			return answered
		}
	}
}

// conflict settles the batch in flight as if another node had written its session before.
func (g *harness) conflict() *effects {
	g.batch = nil
	return g.do(batchDone{result: persist.Result{Writes: []persist.Outcome{{Status: persist.StatusConflict, Version: 99}}}})
}

// reload answers the load that x has to do, with what is stored.
func (g *harness) reload(out *effects, x command, id persist.ID) *effects {
	g.Helper()
	l := g.answer(out, x).load
	row, err := g.disk.ByID(g.Context(), id)
	return g.do(&loaded{load: l, record: row, err: err})
}

// TestUpdateThatAnotherNodeOvertakesIsAppliedToItsRow, three times. Then it is a conflict.
func TestUpdateThatAnotherNodeOvertakesIsAppliedToItsRow(t *testing.T) {
	for _, lost := range []int{1, 2, 3, 4} {
		g := shared(t)
		rec := g.create("u")
		up := g.update(rec.ID, "1")
		g.do(up)
		for n := 1; ; n++ {
			_, err := g.disk.Apply(t.Context(), &persist.Batch{Writes: []persist.Write{{
				Ref: rec.Ref(), If: persist.Version(98 + n), Next: persist.Version(99 + n), ExpiresAt: rec.ExpiresAt,
				Data: func() []byte { return []byte(`{"other":1}`) },
			}}})
			if err != nil {
				t.Fatal(err)
			}
			out := g.conflict()
			if n == mostConflicts {
				g.refused(out, up, ErrConflict)
				break
			}
			g.waits(g.reload(out, up, rec.ID), up)
			if n == lost {
				g.ok(g.settle(), up)
				break
			}
		}
		equal(t, "idle", g.c.idle(), true)
	}
}

// TestRotateThatAnotherNodeOvertakesReplacesItsToken, or says that the token was replaced.
func TestRotateThatAnotherNodeOvertakesReplacesItsToken(t *testing.T) {
	for _, from := range []bool{false, true} {
		g := shared(t)
		rec := g.create("u")
		r := g.rotate(rec.ID, 1)
		if from {
			r.change.From = rec.Hash
		}
		g.do(r)
		rotate := persist.Op{Kind: persist.OpRotate, Ref: rec.Ref(), From: rec.Hash, To: persist.Hash{77}}
		if _, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: []persist.Op{rotate}}); err != nil {
			t.Fatal(err)
		}
		out := g.reload(g.settle(), r, rec.ID)
		if from {
			g.rotatedError(g.answer(out, r))
			continue
		}
		g.ok(g.settle(), r)
		g.okay(g.find(persist.Hash{2, 1}))
	}
}

// TestRotateWhoseSessionAnotherNodeChangesHandsOutTheToken: the news come while it is in flight.
func TestRotateWhoseSessionAnotherNodeChangesHandsOutTheToken(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.do(invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}})
	g.ok(g.reload(g.settle(), r, rec.ID), r)
	g.okay(g.find(persist.Hash{2, 1}))
	g.rotatedError(g.find(rec.Hash))
}

// TestTouchOutlivesALeaseThatIsOver: the row that replaces memory keeps the access.
func TestTouchOutlivesALeaseThatIsOver(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	g.now += 1_000_000 - interval/2
	touch := g.touch(rec.ID)
	g.ok(g.do(touch), touch)
	at := g.now
	g.now += interval / 2
	r := g.readID(rec.ID)
	g.ok(g.reload(g.do(r), r, rec.ID), r)
	g.pass(interval)
	g.settle()
	row, _ := g.disk.ByID(t.Context(), rec.ID)
	equal(t, "last active", row.LastActive, at)
}

// TestLeaseServesMemoryUntilItEnds: at that instant Peek finds nothing.
func TestLeaseServesMemoryUntilItEnds(t *testing.T) {
	inBubble(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Second }, func(l *live) {
		rec := l.newSession("u")
		peek := func() bool { return l.Peek(&rec.Hash, l.now) != nil }
		equal(t, "before any news", peek(), false)
		sink{l.Actor}.Fresh(sink{l.Actor}.Now())
		synctest.Wait()
		l.later(time.Second - time.Microsecond)
		equal(t, "within the lease", peek(), true)
		l.later(time.Microsecond)
		equal(t, "at its end", peek(), false)
		sink{l.Actor}.Fresh(sink{l.Actor}.Now())
		synctest.Wait()
		equal(t, "after news", peek(), true)
		l.forget()
		equal(t, "after a reset", peek(), false)
	})
}

// TestWatchThatEndsResetsTheCacheAndIsStartedAgain: anything may have been missed. The pauses
// grow from 20 ms to a second.
func TestWatchThatEndsResetsTheCacheAndIsStartedAgain(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel() // Watch returns at once
	for _, fails := range []error{nil, persist.ErrUnavailable} {
		watches, resets := 0, 0
		synctest.Test(t, func(t *testing.T) {
			cfg := newHarness(t, nil).c.cfg
			cfg.Now = func() int64 { return time.Now().UnixMicro() }
			cfg.Tick = cfg.Now
			cfg.Observe = func(e Event) {
				if e.Kind == EventCacheReset {
					resets++
				}
			}
			backend := persisttest.Hook(newHarness(t, nil).disk, persisttest.Hooks{
				Before: persisttest.On(persisttest.Watch, func(c *persisttest.Call) { watches++; c.Ctx = ended }),
				Fail:   persisttest.FailOn(persisttest.Watch, fails),
			})
			a := Start(backend, cfg)
			<-time.After(10 * time.Second)
			equal(t, "close", a.Close(), nil)
		})
		equal(t, "watches", watches, 15) // after 20, 40, 80, 160, 320, 640 ms, and then once a second
		equal(t, "resets", resets, watches)
	}
}

// TestTokenInItsGraceOpensASessionThatYieldsWhileItIsReplaced: a read that began before keeps tombstones meanwhile.
func TestTokenInItsGraceOpensASessionThatYieldsWhileItIsReplaced(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	slow := g.readID(persist.ID{99})
	g.do(slow)
	r := g.graced(rec.ID, 1)
	g.do(r)
	changed := invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}}
	g.do(changed)
	g.ok(g.reload(g.settle(), r, rec.ID), r)
	g.do(changed)
	g.okay(g.find(rec.Hash))
}

// TestReadIsKeptThoughOtherSessionsChange: news of others say nothing about its row.
func TestReadIsKeptThoughOtherSessionsChange(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	g.cold(true)
	g.do(renew{g.now})
	up := g.update(rec.ID, "1")
	l := g.answer(g.do(up), up).load
	for i := range 1000 {
		g.do(invalidate{[]persist.Event{
			{Kind: persist.EventSessionChanged, ID: persist.ID{250, byte(i >> 8), byte(i)}},
			{Kind: persist.EventUserChanged, UserID: "other"}, {Kind: persist.EventUserChanged, UserID: "u", Except: rec.ID},
		}})
	}
	row, _ := g.disk.ByID(t.Context(), rec.ID)
	g.waits(g.do(&loaded{load: l, record: row}), up)
	g.carries(0, 1, 0)
	g.ok(g.settle(), up)
}

// TestUpdateWhoseRowChangesDuringEveryReadIsAConflict in the end: it does not read for ever.
func TestUpdateWhoseRowChangesDuringEveryReadIsAConflict(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	g.cold(true)
	g.do(renew{g.now})
	up := g.update(rec.ID, "1")
	out := g.do(up)
	for range mostOutdated {
		l := g.answer(out, up).load
		g.do(invalidate{[]persist.Event{{Kind: persist.EventUserChanged, UserID: "u"}}})
		row, _ := g.disk.ByID(t.Context(), rec.ID)
		out = g.do(&loaded{load: l, record: row})
	}
	g.refused(out, up, ErrConflict)
}

// TestNewsAreForgottenWithTheReadsThatTheyConcern, and where they are too many.
func TestNewsAreForgottenWithTheReadsThatTheyConcern(t *testing.T) {
	var l loads
	l.order.Init()
	ev := func(i int) []persist.Event {
		return []persist.Event{{Kind: persist.EventSessionChanged, ID: persist.ID{byte(i), byte(i >> 8), byte(i >> 16)}}}
	}
	l.hear(ev(1))
	equal(t, "kept without a read", len(l.news.sessions), 0)
	x := &load{}
	l.order.PushBack(x)
	for i := range mostNews {
		l.hear(ev(i))
	}
	equal(t, "kept", len(l.news.sessions), mostNews)
	equal(t, "outdated", x.stale, false)
	l.hear(ev(mostNews))
	equal(t, "kept of too many", len(l.news.sessions), 0)
	equal(t, "outdated by too many", x.stale, true)
}

// TestReadThatFindsMemoryCurrentTakesLaterTimes: an access on another node is no event.
func TestReadThatFindsMemoryCurrentTakesLaterTimes(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	r := g.list("u")
	l := g.answer(g.do(r), r).load
	listing, err := g.disk.ByUser(t.Context(), r.user)
	equal(t, "error", err, nil)
	at, end := rec.LastActive+500_000, rec.ExpiresAt+500_000
	listing.Records[0].LastActive, listing.Records[0].ExpiresAt = at, end
	views := g.ok(g.do(&loaded{load: l, listing: listing}), r).views
	equal(t, "listed as last active", views[0].LastActive, at)
	equal(t, "in memory", g.find(rec.Hash).view.ExpiresAt, end)
}

// TestRotateThatIsDoneAndNotReadBackIsOfUnknownOutcome: its session yields while it is in flight.
func TestRotateThatIsDoneAndNotReadBackIsOfUnknownOutcome(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.do(invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}})
	l := g.answer(g.settle(), r).load
	out := g.do(&loaded{load: l, err: persist.ErrUnavailable})
	equal(t, "says that nothing was done", errors.Is(g.answer(out, r).err, persist.ErrUnavailable), false)
	g.refused(out, r, persist.ErrUnknown)
}

// TestRotateThatBeginsAnewIsNotDoneWhenItsCallerLeaves: another node was first, and the session is being read.
func TestRotateThatBeginsAnewIsNotDoneWhenItsCallerLeaves(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	other := persist.Op{Kind: persist.OpRotate, Ref: rec.Ref(), From: rec.Hash, To: persist.Hash{77}}
	if _, err := g.disk.Apply(t.Context(), &persist.Batch{Ops: []persist.Op{other}}); err != nil {
		t.Fatal(err)
	}
	equal(t, "reads", g.answer(g.settle(), r).load != nil, true)
	later, state := r.giveUp(g.c)
	equal(t, "later", later, false)
	equal(t, "state", state, nil)
}

// doneAndYielded is a rotation that is on disk when its session has yielded.
func doneAndYielded(g *harness) *rotateCommand {
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.do(invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}})
	return r
}

// TestRotateThatIsDoneIsOfUnknownOutcomeIfTheStoreCloses: ErrClosed says that nothing was done.
func TestRotateThatIsDoneIsOfUnknownOutcomeIfTheStoreCloses(t *testing.T) {
	for _, reading := range []bool{false, true} {
		g := shared(t)
		r := doneAndYielded(g)
		var out *effects
		if reading {
			l := g.answer(g.settle(), r).load
			g.do(closing{})
			row, _ := g.disk.ByID(t.Context(), r.id)
			out = g.do(&loaded{load: l, record: row})
		} else {
			g.do(closing{})
			out = g.settle()
		}
		g.refused(out, r, persist.ErrUnknown)
		equal(t, "says that nothing was done", errors.Is(r.err, ErrClosed), false)
	}
}

// TestRotateThatIsDoneIsReadBackAtTheBoundOfReads.
func TestRotateThatIsDoneIsReadBackAtTheBoundOfReads(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Exclusive, c.Lease, c.MaxLoads = false, time.Second, 1 })
	g.do(renew{g.now})
	r := doneAndYielded(g)
	g.do(g.readID(persist.ID{99}))
	g.ok(g.reload(g.settle(), r, r.id), r)
}

// TestRotateThatIsDoneIsOfUnknownOutcomeIfTheLoopHasEnded: it was reading its session back.
func TestRotateThatIsDoneIsOfUnknownOutcomeIfTheLoopHasEnded(t *testing.T) {
	inBubble(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Hour }, func(l *live) {
		rec := l.newSession("u")
		sink{l.Actor}.Fresh(sink{l.Actor}.Now())
		reads := make(chan struct{})
		l.disk.Set(persisttest.Hooks{
			Before: persisttest.On(persisttest.ByID, func(*persisttest.Call) { <-reads }),
			After: persisttest.On(persisttest.Apply, func(*persisttest.Call) {
				sink{l.Actor}.Invalidate([]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}})
			}),
		})
		var err error
		go func() { _, err = l.Rotate(context.Background(), rec.ID, TokenChange{To: persist.Hash{77}}) }()
		synctest.Wait()
		go func() { _ = l.Close() }()
		synctest.Wait()
		close(reads)
		synctest.Wait()
		l.is(err, persist.ErrUnknown)
		equal(t, "says that nothing was done", errors.Is(err, ErrClosed), false)
	})
}

// TestRotateThatIsDoneWhileItsOldRowIsReadHandsOutTheToken:
//
//  1. A rotation is in flight. Its session yields to a change of another node.
//  2. A read puts the row with the old token into memory.
//  3. The rotation is done.
func TestRotateThatIsDoneWhileItsOldRowIsReadHandsOutTheToken(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	r := g.rotate(rec.ID, 1)
	g.do(r)
	g.do(invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}})
	g.okay(g.find(rec.Hash))
	read := g.answer(g.settle(), r).load
	equal(t, "the row is read again", read != nil, true)
	row, err := g.disk.ByID(t.Context(), rec.ID)
	equal(t, "error", err, nil)
	equal(t, "token", row.Hash, r.change.To)
	g.ok(g.do(&loaded{load: read, record: row}), r)
}

// TestUpdateThatAnotherNodeOvertakesReadsNoOlderRow:
//
//  1. A read by ID has its row. Then another node changes the session.
//  2. A read by token puts the session into memory, and an update of it finds the other node's change.
//  3. It must not begin anew with the row of the first read.
func TestUpdateThatAnotherNodeOvertakesReadsNoOlderRow(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	g.do(reset{reason: "test", at: g.now})
	g.do(renew{g.now})
	slow := g.readID(rec.ID)
	read := g.answer(g.do(slow), slow).load
	row, err := g.disk.ByID(t.Context(), rec.ID)
	equal(t, "error", err, nil)
	g.okay(g.find(rec.Hash))
	u := g.update(rec.ID, "1")
	g.do(u)
	if _, err := g.disk.Apply(t.Context(), &persist.Batch{Writes: []persist.Write{{
		Ref: rec.Ref(), If: row.Version, Next: row.Version + 7, Data: func() []byte { return []byte(`{"other":1}`) },
		LastActive: row.LastActive, ExpiresAt: row.ExpiresAt,
	}}}); err != nil {
		t.Fatal(err)
	}
	g.waits(g.settle(), u)
	again := g.answer(g.do(&loaded{load: read, record: row}), slow).load
	equal(t, "the row is read again", again != nil, true)
	row, err = g.disk.ByID(t.Context(), rec.ID)
	equal(t, "error", err, nil)
	g.ok(g.do(&loaded{load: again, record: row}), slow)
	g.ok(g.settle(), u)
	equal(t, "conflicts", g.stats().Conflicts, 1)
}

// TestNewsOfTwoLogOutsSpareNoSession that either of them means.
func TestNewsOfTwoLogOutsSpareNoSession(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	g.do(reset{reason: "test", at: g.now})
	g.do(renew{g.now})
	r := g.read(rec.Hash)
	read := g.answer(g.do(r), r).load
	row, err := g.disk.ByHash(t.Context(), r.token)
	equal(t, "error", err, nil)
	g.do(invalidate{[]persist.Event{
		{Kind: persist.EventUserChanged, UserID: "u", Except: persist.ID{99}},
		{Kind: persist.EventUserChanged, UserID: "u", Except: rec.ID},
	}})
	g.do(&loaded{load: read, record: row})
	equal(t, "kept in memory", g.c.hot.ByID(rec.ID) != nil, false)
}

// TestUpdateInFlightIsToldItsOutcomeThoughItsSessionHasYielded: refused by the disk, or without a row.
func TestUpdateInFlightIsToldItsOutcomeThoughItsSessionHasYielded(t *testing.T) {
	for want, end := range map[error]func(g *harness) *effects{
		persist.ErrUnavailable: func(g *harness) *effects { return g.refuses(persist.ErrCorrupt) },
		persist.ErrNotFound: func(g *harness) *effects {
			ops := []persist.Op{{Kind: persist.OpDestroy, Ref: g.batch.Writes[0].Ref}}
			if _, err := g.disk.Apply(g.Context(), &persist.Batch{Ops: ops}); err != nil {
				g.Fatal(err)
			}
			return g.settle()
		},
	} {
		g := shared(t)
		rec := g.create("u")
		u := g.update(rec.ID, "1")
		g.do(u)
		g.do(invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}})
		g.refused(end(g), u, want)
	}
}

// TestTouchOfASessionThatIsReadAgainPinsNothingWhenItIsWritten.
func TestTouchOfASessionThatIsReadAgainPinsNothingWhenItIsWritten(t *testing.T) {
	g := shared(t)
	rec := g.create("u")
	x := g.touch(rec.ID)
	g.do(x)
	g.do(invalidate{[]persist.Event{{Kind: persist.EventSessionChanged, ID: rec.ID}}})
	g.okay(g.find(rec.Hash))
	for range 3 {
		if g.pass(interval); g.batch != nil {
			g.settle()
		}
	}
	equal(t, "at rest", g.c.idle(), true)
	equal(t, "pinned", g.c.hot.Pinned(), 0)
}
