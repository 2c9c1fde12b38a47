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

func TestAdmissionCountsOperations(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending = 3 })
	g.startCommit() // one
	equal(t, "full", g.full(g.do(g.destroy(persist.ID{9, 1}))), false)
	equal(t, "full", g.full(g.do(g.destroy(persist.ID{9, 2}))), true)
	equal(t, "Stats.Full", g.stats().Full, true)
	equal(t, "full when they are under way", g.full(g.settle()), false)
}

// TestAdmissionClosesAtTheBoundOfBytes (D13, D14), and opens below nine tenths of
// it: `{"k":…}` is six bytes and its value.
func TestAdmissionClosesAtTheBoundOfBytes(t *testing.T) {
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

// TestAdmissionLeavesRoomForLoginsInAFloodOfTouches (D13): a quarter of the bound.
func TestAdmissionLeavesRoomForLoginsInAFloodOfTouches(t *testing.T) {
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
func TestAdmissionWaitsForPatienceAndThenRefuses(t *testing.T) {
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
func TestAdmissionServesTheWaitQueueInOrder(t *testing.T) {
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
func TestAdmissionShortensASustainedWaitQueue(t *testing.T) {
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

// After a quiet time, a full queue is a burst again.
func TestAdmissionForgetsASustainedQueueAfterAQuietTime(t *testing.T) {
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

// A disk that stalls below the bounds refuses nobody anything.
func TestAdmissionRefusesNothingInAStallBelowTheBounds(t *testing.T) {
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
func TestAdmissionWaitEndsWithTheContextOrThePatience(t *testing.T) {
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

// Ten times the load, in a simulation where a commit of a hundred takes 10 ms and
// nothing else takes time: whoever is let in has waited for its patience at most,
// whoever is refused too, and the disk is never idle (R12).
func TestAdmissionKeepsTheWaitQueueShortUnderTenTimesTheLoad(t *testing.T) {
	for _, f := range flooded(t, 50*time.Millisecond, 4096) {
		t.Error(f)
	}
}

// The negative control: a line without end.
func TestAdmissionFloodNoticesAnEndlessWaitQueue(t *testing.T) {
	faults := flooded(t, time.Hour, 1<<30)
	if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, "the longest wait") }) {
		t.Errorf("not noticed: %v", faults)
	}
}

func nthID(n int) (id persist.ID) {
	binary.BigEndian.PutUint32(id[4:], uint32(n+1))
	return id
}

// applied is the result of a commit that succeeds.
func applied(b *persist.Batch) (r persist.Result) {
	for range b.Writes {
		r.Writes = append(r.Writes, persist.Outcome{Status: persist.StatusApplied})
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
			note(g.send(batchDone{result: applied(b)}))
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

// crammed is a core with a create in flight and as many behind it as may be pending.
func crammed(t *testing.T) *harness {
	t.Helper()
	g := newHarness(t, func(c *Config) { c.MaxPending, c.MaxWaiting, c.Patience = 10, 10, time.Second })
	for range 11 {
		g.do(g.createReq("u"))
	}
	return g
}

// TestAdmissionLetsCallersInWhenABatchLeaves: it makes room.
func TestAdmissionLetsCallersInWhenABatchLeaves(t *testing.T) {
	g := crammed(t)
	x := g.createReq("u")
	g.waits(g.do(x), x)
	equal(t, "waiting", g.c.snapshot().Waiting, 1)
	g.settle()
	g.carries(10, 0, 0)
	equal(t, "waiting when they have left", g.c.snapshot().Waiting, 0)
}

// TestAdmissionIsShortOfRoomBetweenSteps, though no step has looked.
func TestAdmissionIsShortOfRoomBetweenSteps(t *testing.T) {
	g := crammed(t)
	first, next := g.createReq("u"), g.createReq("u")
	g.waits(g.do(first), first)
	g.now += time.Second.Microseconds()
	g.refused(g.do(next), next, ErrOverloaded)
}
