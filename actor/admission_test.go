package actor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestAdmissionClosesAtTheBoundAndOpensBelowNineTenthsOfIt (D13, D14).
func TestAdmissionClosesAtTheBoundAndOpensBelowNineTenthsOfIt(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending, c.BatchSize = 10, 1 })
	l := g.creates(10)
	g.startCommit() // one of the ten
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
	g := newHarness(t, func(c *Config) { c.MaxPending = 3 })
	g.startCommit() // one
	equal(t, "full", g.full(g.do(g.destroy(persist.ID{9, 1}))), false)
	equal(t, "full", g.full(g.do(g.destroy(persist.ID{9, 2}))), true)
	equal(t, "Stats.Full", g.stats().Full, true)
	equal(t, "full when they are under way", g.full(g.settle()), false)
}

// TestAdmissionClosesAtTheBoundOfBytesToo (D13, D14), and opens below nine tenths of
// it: `{"k":…}` is six bytes and its value.
func TestAdmissionClosesAtTheBoundOfBytesToo(t *testing.T) {
	for left, shut := range map[int]bool{18: true, 17: false} {
		g := newHarness(t, func(c *Config) { c.MaxPendingBytes, c.BatchSize = 20, 1 })
		l := g.creates(3)
		equal(t, "full with 8", g.full(g.do(g.update(l[0].ID, "12"))), false)
		equal(t, "full with 19", g.full(g.do(g.update(l[1].ID, "12345"))), false)
		g.do(g.update(l[2].ID, "1234567"[:left-17]))
		equal(t, "full with more", g.c.full, true)
		equal(t, "full afterwards", g.full(g.settle()), shut)
		equal(t, "pending bytes", g.stats().PendingBytes, left)
	}
}

// TestAFloodOfTouchesLeavesRoomForLogins (D13): a quarter of the bound.
func TestAFloodOfTouchesLeavesRoomForLogins(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending = 8 })
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

func TestASeenNoteAtTheBoundIsDropped(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending = 1 })
	l := g.creates(2)
	r := g.rotate(l[0].ID, 1)
	r.change.Until = persist.Unseen
	g.do(r)
	g.settle()
	g.do(g.touch(l[1].ID))
	n := g.seenNote(l[0].ID, r.change.To, g.now+1000)
	g.ok(g.do(n), n)
	equal(t, "pending", g.stats().Pending, 1)
}

// TestADestroyAtTheBoundIsTaken (D13).
func TestADestroyAtTheBoundIsTaken(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending = 1 })
	l := g.creates(2)
	equal(t, "full", g.full(g.do(g.touch(l[0].ID))), true)
	r := g.destroy(l[1].ID)
	g.do(r)
	g.carries(1, 0, 0)
	g.ok(g.settle(), r)
}

// TestMoreColdReadsThanTheBoundAreRefusedAndCounted (D13).
func TestMoreColdReadsThanTheBoundAreRefusedAndCounted(t *testing.T) {
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

// TestDestroyOfTheUnknownWaitsForRoomAmongTheTombstones (D13).
func TestDestroyOfTheUnknownWaitsForRoomAmongTheTombstones(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxTombstones = 2 })
	known := g.create("u").ID
	var asked []command
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

// TestDestroyThatGivesUpWaitingIsNotRefused: it waits for room among the tombstones, and is
// told that nothing was done.
func TestDestroyThatGivesUpWaitingIsNotRefused(t *testing.T) {
	inBubble(t, func(c *Config) { c.Entries, c.MaxTombstones = 1, 1 }, func(l *live) {
		rec := l.born("u")
		l.born("v") // evicts u's
		l.fail(persisttest.Apply, persist.ErrUnavailable)
		l.is(l.Destroy(l.Context(), persist.ID{9}), ErrNotDurable) // one tombstone: the bound
		ctx, cancel := context.WithTimeout(l.Context(), 50*time.Millisecond)
		defer cancel()
		err := l.Destroy(ctx, rec.ID)
		l.is(err, context.DeadlineExceeded)
		equal(t, "refused from now on", errors.Is(err, ErrNotDurable), false)
		_, err = l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
		l.is(err, nil)
		synctest.Wait()
		l.heal()
		l.is(l.Sync(l.Context()), nil)
	})
}

const ms = 1000 // microseconds

// narrow is a bound of ten changes, at which callers wait 50 ms for room.
func narrow(c *Config) {
	c.MaxPending, c.MaxWaiting, c.Patience, c.MaxLoads, c.BatchSize = 10, 4, 50*time.Millisecond, 2, 5
}

// fill makes sessions and changes as many of them as may wait for the disk. The
// first batch of changes is on its way.
func (g *harness) fill(sessions int) (all []*persist.Record) {
	g.Helper()
	for range sessions {
		all = append(all, g.create("u"))
	}
	for _, r := range all[:g.c.cfg.MaxPending] {
		if a := g.change(r); a == nil || a.err != nil {
			g.Fatalf("an update below the bound: %v", a)
		}
	}
	if !g.c.full {
		g.Fatal("admission is open")
	}
	return all
}

// change changes a session, and returns the answer, if there is one.
func (g *harness) change(rec *persist.Record) *response { return g.ask(g.changeReq(rec)) }

func (g *harness) changeReq(rec *persist.Record) command { return g.updateNothing(rec.ID) }

func (g *harness) ask(r command) *response { return answerTo(g.send(r), r) }

func refused(a *response) bool { return a != nil && errors.Is(a.err, ErrOverloaded) }

func answerTo(list []response, r command) *response {
	if i := slices.IndexFunc(list, func(a response) bool { return a.of == r }); i >= 0 {
		return &list[i]
	}
	return nil
}

// after lets time pass, as much as the state asks for at most.
func (g *harness) after(d int64) []response {
	g.now += d
	return g.send(wakeUp{})
}

// D13: at the bound a burst waits for so long, and the core wakes up for that.
func TestWhoFindsNoRoomWaitsForSoLong(t *testing.T) {
	g := newHarness(t, narrow)
	all := g.fill(12)
	r := g.changeReq(all[10])
	if a := g.ask(r); a != nil {
		t.Fatalf("answered at once: %v", a)
	}
	if w := g.c.wake(); w != 50*time.Millisecond {
		t.Fatalf("it wakes up after %v", w)
	}
	if got := g.after(49 * ms); len(got) > 0 {
		t.Fatalf("answered early: %v", got)
	}
	if a := answerTo(g.after(1*ms), r); !refused(a) {
		t.Fatalf("after its patience: %v", a)
	}
	if n := len(g.c.dirty); n != 10 {
		t.Errorf("%d changes: what is refused is not done", n)
	}
	if s := g.c.snapshot(); s.Overloaded != 1 || !s.Refusing || !s.Full {
		t.Errorf("not told: %+v", s)
	}
	if s := g.after(2000 * ms); g.c.snapshot().Refusing {
		t.Errorf("it still calls itself refusing: %v", s)
	}
}

// D13, D14: room goes to those who came first, when there is a tenth of it.
func TestRoomGoesToThoseWhoCameFirst(t *testing.T) {
	g := newHarness(t, narrow)
	all := g.fill(13)
	reqs := []command{g.changeReq(all[10]), g.changeReq(all[11]), g.changeReq(all[12])}
	for _, r := range reqs {
		if a := g.ask(r); a != nil {
			t.Fatalf("answered at once: %v", a)
		}
	}
	var order []command
	for _, a := range g.send(g.commit()) {
		if a.err != nil {
			t.Errorf("let in: %v", a.err)
		}
		order = append(order, a.of)
	}
	if !slices.Equal(order, reqs) {
		t.Errorf("%d were let in, or out of order", len(order))
	}
	if s := g.c.snapshot(); s.Waiting != 0 || s.Overloaded != 0 {
		t.Errorf("%+v", s)
	}
}

// Where there has been no room for long, the queue is short and patience too; and
// the callers beyond it need not even ask.
func TestASustainedWaitQueueIsShort(t *testing.T) {
	g := newHarness(t, narrow)
	all := g.fill(12)
	for range 4 {
		if a := g.change(all[10]); a != nil {
			t.Fatalf("in a burst: %v", a)
		}
	}
	if a := g.change(all[10]); !refused(a) || !g.c.out.refuse {
		t.Errorf("one more than may wait: %v, refuse %v", a, g.c.out.refuse)
	}
	g.after(50 * ms) // all of them
	r := g.changeReq(all[10])
	if g.c.out.refuse {
		t.Error("it refuses, and nobody waits")
	}
	if a := g.ask(r); a != nil || !g.c.out.refuse {
		t.Fatalf("the first in a sustained queue: %v, refuse %v", a, g.c.out.refuse)
	}
	if a := g.change(all[11]); !refused(a) {
		t.Errorf("the second: %v", a)
	}
	if got := g.after(9 * ms); len(got) > 0 {
		t.Errorf("early: %v", got)
	}
	if a := answerTo(g.after(1*ms), r); !refused(a) || g.c.out.refuse {
		t.Errorf("late: %v, refuse %v", a, g.c.out.refuse)
	}
}

// After a quiet time, trouble is a burst again.
func TestAQuietTimeEndsASustainedQueue(t *testing.T) {
	g := newHarness(t, narrow)
	all := g.fill(11)
	g.after(60 * ms)
	if !g.c.sustained(&g.c.writes) {
		t.Fatal("not sustained")
	}
	for len(g.c.dirty) > 0 {
		g.send(g.commit())
		g.after(100 * ms)
	}
	for _, r := range all[:10] {
		g.change(r)
	}
	if !g.c.full || g.c.sustained(&g.c.writes) {
		t.Errorf("full %v, sustained %v", g.c.full, g.c.sustained(&g.c.writes))
	}
}

// A log-out is refused at no bound, and neither is the look at the disk that it needs (D13).
func TestNoBoundRefusesADestroy(t *testing.T) {
	g := newHarness(t, func(c *Config) { narrow(c); c.MaxWaiting = 0 })
	all := g.fill(12)
	for i := range 2 {
		r := g.readID(persist.ID{7, byte(i)})
		if a := g.ask(r); a == nil || a.load == nil {
			t.Fatalf("a cold read: %v", a)
		}
	}
	cold := g.readID(persist.ID{7, 9})
	if a := g.ask(cold); !refused(a) {
		t.Fatalf("a cold read too many: %v", a)
	}
	hot := g.destroy(all[11].ID)
	if a := g.ask(hot); a != nil || !hot.taken {
		t.Errorf("a destroy: %v", a)
	}
	owned := g.destroyOwned(persist.ID{7, 8}, "u")
	if a := g.ask(owned); a == nil || a.load == nil {
		t.Errorf("a destroy of a session that is not in memory: %v", a)
	}
	others := g.wipeBut("u", persist.ID{7, 7})
	if a := g.ask(others); a == nil || a.load == nil {
		t.Errorf("a destroy of all but such a session: %v", a)
	}
}

// Cold reads wait for those before them, and memory answers if it can by then.
func TestColdReadsWaitForRoom(t *testing.T) {
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

// A disk that stalls below the bounds refuses nobody anything.
func TestAStallBelowTheBoundsRefusesNothing(t *testing.T) {
	g := newHarness(t, narrow)
	var all []*persist.Record
	for range 9 {
		all = append(all, g.create("u"))
	}
	for _, r := range all {
		if a := g.change(r); a == nil || a.err != nil {
			t.Fatal(a)
		}
		g.after(3600 * 1000 * ms / 9)
	}
	if s := g.c.snapshot(); s.Overloaded != 0 || s.Refusing || s.Full {
		t.Errorf("%+v", s)
	}
}

// A caller that waits in line leaves it with its context, and is told that nothing
// was done; one that stays is refused; the rest is refused without the loop (I9, D13).
func TestAWaitQueueEndsWithTheContextOrItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := persisttest.Hook(persisttest.NewMemory(), persisttest.Hooks{})
		now := func() int64 { return time.Now().UnixMicro() }
		cfg := Config{
			Entries: 100, Bytes: 1 << 20, BatchInterval: time.Millisecond, MaxPendingBytes: 1 << 20, MaxTombstones: 100,
			CloseTimeout: time.Second, Exclusive: true, Now: now, Tick: now,
		}
		narrow(&cfg)
		a := Start(d, cfg)
		g := newHarness(t, nil)
		g.now = now()
		var all []*persist.Record
		for range 12 {
			all = append(all, g.record("u"))
			if _, err := a.Create(t.Context(), all[len(all)-1], persist.Limit{}, persist.ID{}); err != nil {
				t.Fatal(err)
			}
		}
		hold := make(chan struct{})
		d.Set(persisttest.Hooks{Before: func(*persisttest.Call) { <-hold }})
		update := func(ctx context.Context, i int) (time.Duration, error) {
			began := time.Now()
			_, err := a.Update(ctx, all[i].ID, nil, 1000, false, false)
			return time.Since(began), err
		}
		for i := range 10 {
			if _, err := update(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if d, err := update(soon, 10); !errors.Is(err, ErrOverloaded) || !errors.Is(err, context.DeadlineExceeded) || d != 20*time.Millisecond {
			t.Errorf("a caller with less patience: %v, %v", err, d)
		}
		if d, err := update(t.Context(), 10); !errors.Is(err, ErrOverloaded) || errors.Is(err, context.DeadlineExceeded) || d > 50*time.Millisecond {
			t.Errorf("a caller with more: %v, %v", err, d)
		}
		go func() { _, _ = update(t.Context(), 10) }()
		synctest.Wait()
		if d, err := update(t.Context(), 11); !errors.Is(err, ErrOverloaded) || d > 0 || a.refused.Load() != 1 {
			t.Errorf("a caller beyond the line: %v, %v, %d refused without the loop", err, d, a.refused.Load())
		}
		if s, err := a.Stats(t.Context()); err != nil || s.Overloaded != 3-1 || !s.Refusing {
			t.Errorf("%+v, %v", s, err) // the first left by itself
		}
		close(hold)
		if err := a.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := update(t.Context(), 11); err != nil {
			t.Errorf("when the disk is back: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Ten times the load, in a world where a commit of a hundred takes 10 ms and
// nothing else takes time: whoever is let in has waited for its patience at most,
// whoever is refused too, and the disk is never idle (R12).
func TestTenTimesTooMuchKeepsTheWaitQueueShort(t *testing.T) {
	for _, f := range flooded(t, 50*time.Millisecond, 4096) {
		t.Error(f)
	}
}

// The negative control: a line without end.
func TestTheFloodNoticesAWaitQueueWithoutEnd(t *testing.T) {
	faults := flooded(t, time.Hour, 1<<30)
	if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, "the longest wait") }) {
		t.Errorf("not noticed: %v", faults)
	}
}

func nthID(n int) (id persist.ID) {
	binary.BigEndian.PutUint32(id[4:], uint32(n+1))
	return id
}

// applied is what a commit without trouble says.
func applied(b *persist.Batch) (r persist.Result) {
	for range b.Writes {
		r.Writes = append(r.Writes, persist.Outcome{Status: persist.Applied})
	}
	return r
}

// flooded offers 100,000 changes a second for two seconds, and returns what does not hold.
func flooded(t *testing.T, patience time.Duration, waiting int) (faults []string) {
	t.Helper()
	const commitTime, batch, sessions, arrivals, step = 10 * ms, 100, 20_000, 200_000, 10
	g := newHarness(t, func(c *Config) {
		c.Entries, c.BatchSize, c.MaxPending, c.MaxWaiting, c.Patience = sessions, batch, 2*batch, waiting, patience
	})
	for i := range sessions {
		rec := g.record("u")
		rec.ID = nthID(i)
		binary.BigEndian.PutUint32(rec.Hash[4:], uint32(i))
		g.c.install(*rec, viewOf(*rec), false)
	}
	began := make(map[command]int64)
	var waits []int64
	accepted, worst := 0, int64(0)
	note := func(list []response) {
		for _, a := range list {
			d := g.now - began[a.of]
			delete(began, a.of)
			worst = max(worst, d)
			if a.err == nil {
				accepted++
				waits = append(waits, d)
			}
		}
	}
	done := int64(0)
	for i := range arrivals {
		g.now += step
		if done > 0 && g.now >= done {
			b := g.batch
			g.batch, done = nil, 0
			note(g.send(committed{result: applied(b)}))
		}
		r := g.updateNothing(nthID(i % sessions))
		began[r] = g.now
		note(g.send(r))
		if g.batch != nil && done == 0 {
			done = g.now + commitTime
		}
	}
	oldest := int64(0)
	for _, at := range began {
		oldest = max(oldest, g.now-at)
	}
	slices.Sort(waits)
	p99 := time.Duration(waits[len(waits)*99/100]) * time.Microsecond
	share := float64(accepted) / (float64(arrivals*step/commitTime) * batch)
	t.Logf("accepted %d, %.0f %% of what the disk can take; p50 %v, p99 %v, the longest wait %v", accepted, 100*share,
		time.Duration(waits[len(waits)/2])*time.Microsecond, p99, time.Duration(max(worst, oldest))*time.Microsecond)
	if max(worst, oldest) > 50*ms {
		faults = append(faults, fmt.Sprintf("the longest wait is %v", time.Duration(max(worst, oldest))*time.Microsecond))
	}
	if share < 0.95 {
		faults = append(faults, fmt.Sprintf("the disk was idle: %.2f", share))
	}
	return faults
}

// TestADestroyThatGivesUpWaitingIsNotDone, and the one behind it is.
func TestADestroyThatGivesUpWaitingIsNotDone(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxTombstones = 1 })
	first, second, third := g.destroy(persist.ID{9, 1}), g.destroy(persist.ID{9, 2}), g.destroy(persist.ID{9, 3})
	for _, r := range []command{first, second, third} {
		g.do(r)
	}
	left, ok := g.answer(g.do(abandon{call: second.base()}), second).err.(*leftError) //nolint:errorlint // it is the answer itself
	equal(t, "nothing was done", ok && left.state == nil, true)
	g.settle()
	b := g.carries(1, 0, 0)
	equal(t, "the next", b.Ops[0].Ref.ID, third.id)
	g.ok(g.settle(), third)
	equal(t, "idle", g.c.idle(), true)
}

// TestADestroyWhoseTimeIsUpIsTakenAllTheSame (D13, D16): what it names is refused from then on.
func TestADestroyWhoseTimeIsUpIsTakenAllTheSame(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxPending = 1 }, func(l *live) {
		ctx, cancel := context.WithCancel(l.Context())
		cancel()
		for i := range 40 {
			rec := l.born("u")
			var err error
			if i%2 == 0 {
				err = l.Destroy(ctx, rec.ID)
			} else {
				_, err = l.DestroyUser(ctx, persist.UserKey{ID: "u"}, persist.ID{})
			}
			if err != nil {
				l.is(err, ErrNotDurable)
				l.is(err, context.Canceled)
			}
			_, err = l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
			l.is(err, persist.ErrNotFound)
		}
	})
}

// TestACallThatWaitsAtTheBoundEndsWithItsContext (D13, I9), and was never accepted.
func TestACallThatWaitsAtTheBoundEndsWithItsContext(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxPending, c.MaxWaiting, c.Patience = 1, 1, time.Second }, func(l *live) {
		a, b := l.born("u"), l.born("v")
		l.is(l.set(l.Context(), a.ID, false), nil)
		ctx, cancel := context.WithTimeout(l.Context(), 10*time.Millisecond)
		defer cancel()
		err := l.set(ctx, b.ID, false)
		l.is(err, ErrOverloaded)
		l.is(err, context.DeadlineExceeded)
		l.is(l.Sync(l.Context()), nil)
		l.is(l.set(l.Context(), b.ID, false), nil) // there is room again
		equal(t, "changes", l.counts().Flushes, 2)
	})
}
