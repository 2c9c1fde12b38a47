package actor

import (
	"context"
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
	equal(t, "lease", g.do(renew{micro(300)}).lease, end)
	equal(t, "lease after older news", g.do(renew{micro(800)}).lease, end)
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
	g.send(renew{0})
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
	g.send(renew{0})
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
		g.send(renew{0})
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
		g.do(renew{0})
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
	r := g.update(rec.ID, "1")
	w := g.by(r)
	g.ok(w, r)
	read := g.read(rec.Hash) // what is not on disk yet is newer than the disk
	row, _ := g.disk.ByID(t.Context(), rec.ID)
	l := g.answer(g.do(read), read).load
	offer := &loaded{load: l, record: row}
	equal(t, "data", string(g.ok(g.do(offer), read).view.Doc.JSON()), `{"k":1}`)
}

// TestLeaseServesMemoryUntilItEnds: at that instant Peek finds nothing.
func TestLeaseServesMemoryUntilItEnds(t *testing.T) {
	inBubble(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Second }, func(l *live) {
		rec := l.newSession("u")
		peek := func(now int64) bool { return l.Peek(&rec.Hash, now) != nil }
		equal(t, "before any news", peek(l.now), false)
		sink{l.Actor}.Fresh(0)
		synctest.Wait()
		equal(t, "within the lease", peek(l.now+999_999), true)
		equal(t, "at its end", peek(l.now+1_000_000), false)
		l.forget()
		equal(t, "after a reset", peek(l.now), false)
	})
}

// TestWatchThatFailsResetsTheCache: anything may have been missed.
func TestWatchThatFailsResetsTheCache(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel() // Watch returns at once
	for _, fails := range []error{nil, persist.ErrUnavailable} {
		resets := 0
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
				Before: persisttest.On(persisttest.Watch, func(c *persisttest.Call) { c.Ctx = ended }),
				Fail:   persisttest.FailOn(persisttest.Watch, fails),
			})
			a := Start(backend, cfg)
			synctest.Wait()
			equal(t, "close", a.Close(), nil)
		})
		equal(t, "reset", resets == 1, fails != nil)
	}
}
