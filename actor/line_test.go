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

const ms = 1000 // microseconds

// narrow is a bound of ten changes, at which callers wait 50 ms in line.
func narrow(c *Config) {
	c.MaxPending, c.MaxWaiting, c.Patience, c.MaxLoads, c.BatchSize = 10, 4, 50*time.Millisecond, 2, 5
}

// fill makes sessions and changes as many of them as may wait for the disk. The
// first batch of changes is on its way.
func (g *rig) fill(sessions int) (all []*persist.Record) {
	g.Helper()
	for range sessions {
		all = append(all, g.create("u"))
	}
	for _, r := range all[:g.s.cfg.MaxPending] {
		if a := g.change(r); a == nil || a.err != nil {
			g.Fatalf("an update below the bound: %v", a)
		}
	}
	if !g.s.gated {
		g.Fatal("the gate is open")
	}
	return all
}

// change changes a session, and returns the answer, if there is one.
func (g *rig) change(rec *persist.Record) *answer { return g.ask(g.changeReq(rec)) }

func (g *rig) changeReq(rec *persist.Record) *request {
	r := g.req(kindUpdate)
	r.id, r.maxData = rec.ID, 1000
	return r
}

func (g *rig) ask(r *request) *answer { return answerTo(g.send(r), r) }

func answerTo(list []answer, r *request) *answer {
	if i := slices.IndexFunc(list, func(a answer) bool { return a.req == r }); i >= 0 {
		return &list[i]
	}
	return nil
}

// after lets time pass, as much as the state asks for at most.
func (g *rig) after(d int64) []answer {
	g.now += d
	return g.send(wake{})
}

func refused(a *answer) bool { return a != nil && errors.Is(a.err, ErrOverloaded) }

// D13: at the bound a burst waits for so long, and the state wakes up for that.
func TestWhoFindsNoRoomWaitsForSoLong(t *testing.T) {
	g := newRig(t, narrow)
	all := g.fill(12)
	r := g.changeReq(all[10])
	if a := g.ask(r); a != nil {
		t.Fatalf("answered at once: %v", a)
	}
	if w := g.s.nextWake(); w != 50*time.Millisecond {
		t.Fatalf("it wakes up after %v", w)
	}
	if got := g.after(49 * ms); len(got) > 0 {
		t.Fatalf("answered early: %v", got)
	}
	if a := answerTo(g.after(1*ms), r); !refused(a) {
		t.Fatalf("after its patience: %v", a)
	}
	if n := len(g.s.dirty); n != 10 {
		t.Errorf("%d changes: what is refused is not done", n)
	}
	if s := g.s.snapshot(); s.Overloaded != 1 || !s.Refusing || !s.Full {
		t.Errorf("not told: %+v", s)
	}
	if s := g.after(2000 * ms); g.s.snapshot().Refusing {
		t.Errorf("it still calls itself refusing: %v", s)
	}
}

// D13, D14: room goes to those who came first, when there is a tenth of it.
func TestRoomGoesToThoseWhoCameFirst(t *testing.T) {
	g := newRig(t, narrow)
	all := g.fill(13)
	reqs := []*request{g.changeReq(all[10]), g.changeReq(all[11]), g.changeReq(all[12])}
	for _, r := range reqs {
		if a := g.ask(r); a != nil {
			t.Fatalf("answered at once: %v", a)
		}
	}
	var order []*request
	for _, a := range g.send(g.commit()) {
		if a.err != nil {
			t.Errorf("let in: %v", a.err)
		}
		order = append(order, a.req)
	}
	if !slices.Equal(order, reqs) {
		t.Errorf("%d were let in, or out of order", len(order))
	}
	if s := g.s.snapshot(); s.Waiting != 0 || s.Overloaded != 0 {
		t.Errorf("%+v", s)
	}
}

// Where there has been no room for long, the line is short and patience too; and
// the callers beyond it need not even ask.
func TestAStandingLineIsShort(t *testing.T) {
	g := newRig(t, narrow)
	all := g.fill(12)
	for range 4 {
		if a := g.change(all[10]); a != nil {
			t.Fatalf("in a burst: %v", a)
		}
	}
	if a := g.change(all[10]); !refused(a) || !g.s.out.shut {
		t.Errorf("one more than may wait: %v, shut %v", a, g.s.out.shut)
	}
	g.after(50 * ms) // all of them
	r := g.changeReq(all[10])
	if g.s.out.shut {
		t.Error("it is shut, and nobody waits")
	}
	if a := g.ask(r); a != nil || !g.s.out.shut {
		t.Fatalf("the first in a standing line: %v, shut %v", a, g.s.out.shut)
	}
	if a := g.change(all[11]); !refused(a) {
		t.Errorf("the second: %v", a)
	}
	if got := g.after(9 * ms); len(got) > 0 {
		t.Errorf("early: %v", got)
	}
	if a := answerTo(g.after(1*ms), r); !refused(a) || g.s.out.shut {
		t.Errorf("late: %v, shut %v", a, g.s.out.shut)
	}
}

// After a calm time, trouble is a burst again.
func TestCalmEndsAStandingLine(t *testing.T) {
	g := newRig(t, narrow)
	all := g.fill(11)
	g.after(60 * ms)
	if !g.s.standing(&g.s.growing) {
		t.Fatal("not standing")
	}
	for len(g.s.dirty) > 0 {
		g.send(g.commit())
		g.after(100 * ms)
	}
	for _, r := range all[:10] {
		g.change(r)
	}
	if !g.s.gated || g.s.standing(&g.s.growing) {
		t.Errorf("gated %v, standing %v", g.s.gated, g.s.standing(&g.s.growing))
	}
}

// A log-out is refused at no bound, and neither is the look at the disk that it needs (D13).
func TestNoBoundRefusesADestroy(t *testing.T) {
	g := newRig(t, func(c *Config) { narrow(c); c.MaxWaiting = 0 })
	all := g.fill(12)
	for i := range 2 {
		r := g.req(kindReadID)
		r.id = persist.ID{7, byte(i)}
		if a := g.ask(r); a == nil || a.load == nil {
			t.Fatalf("a cold read: %v", a)
		}
	}
	cold := g.req(kindReadID)
	cold.id = persist.ID{7, 9}
	if a := g.ask(cold); !refused(a) {
		t.Fatalf("a cold read too many: %v", a)
	}
	hot := g.req(kindDestroy)
	hot.id = all[11].ID
	if a := g.ask(hot); a != nil || !hot.dug {
		t.Errorf("a destroy: %v", a)
	}
	owned := g.req(kindDestroy)
	owned.id, owned.user.ID = persist.ID{7, 8}, "u"
	if a := g.ask(owned); a == nil || a.load == nil {
		t.Errorf("a destroy of a session that is not in memory: %v", a)
	}
	others := g.req(kindDestroyUser)
	others.id, others.user.ID = persist.ID{7, 7}, "u"
	if a := g.ask(others); a == nil || a.load == nil {
		t.Errorf("a destroy of all but such a session: %v", a)
	}
}

// Cold reads wait for those before them, and memory answers if it can by then.
func TestColdReadsWaitInLine(t *testing.T) {
	g := newRig(t, func(c *Config) { narrow(c); c.MaxPending = 100; c.Entries = 1 })
	all := []*persist.Record{g.create("u"), g.create("u"), g.create("u"), g.create("u"), g.create("u")}
	var reqs []*request
	for _, rec := range all[:4] {
		r := g.req(kindReadID)
		r.id = rec.ID
		a := g.ask(r)
		if led := a != nil && a.load != nil; led != (len(reqs) < 2) {
			t.Fatalf("read %d: %v", len(reqs), a)
		}
		if a != nil {
			r.offer = &offer{load: a.load, record: *rec}
		}
		reqs = append(reqs, r)
	}
	got := g.send(reqs[0])
	if a := answerTo(got, reqs[2]); a == nil || a.load == nil || len(got) != 2 {
		t.Fatalf("the next in line: %v", got)
	}
	if a := answerTo(g.after(50*ms), reqs[3]); !refused(a) {
		t.Errorf("the last in line: %v", a)
	}
	if s := g.s.snapshot(); s.Loads != 2 || s.Waiting != 0 || s.Overloaded != 1 {
		t.Errorf("%+v", s)
	}
}

// A disk that stalls below the bounds refuses nobody anything.
func TestAStallBelowTheBoundsRefusesNothing(t *testing.T) {
	g := newRig(t, narrow)
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
	if s := g.s.snapshot(); s.Overloaded != 0 || s.Refusing || s.Full {
		t.Errorf("%+v", s)
	}
}

// slowDisk is a backend whose commits wait until they are let go.
type slowDisk struct {
	*persisttest.Memory
	hold chan struct{}
}

func (d *slowDisk) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	if d.hold != nil {
		<-d.hold
	}
	return d.Memory.Apply(ctx, b)
}

// A caller that waits in line leaves it with its context, and is told that nothing
// was done; one that stays is refused; the rest is refused without the loop (I9, D13).
func TestALineEndsWithTheContextOrItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDisk{Memory: persisttest.NewMemory()}
		now := func() int64 { return time.Now().UnixMicro() }
		cfg := Config{
			Entries: 100, Bytes: 1 << 20, BatchInterval: time.Millisecond, MaxPendingBytes: 1 << 20, MaxGraves: 100,
			CloseTimeout: time.Second, Exclusive: true, Now: now, Tick: now,
		}
		narrow(&cfg)
		a := Start(d, cfg)
		g := newRig(t, nil)
		g.now = now()
		var all []*persist.Record
		for range 12 {
			all = append(all, g.record("u"))
			if _, err := a.Create(t.Context(), all[len(all)-1], persist.Limit{}, persist.ID{}); err != nil {
				t.Fatal(err)
			}
		}
		d.hold = make(chan struct{})
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
		close(d.hold)
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
func TestTenTimesTooMuchKeepsTheLineShort(t *testing.T) {
	for _, f := range flooded(t, 50*time.Millisecond, 4096) {
		t.Error(f)
	}
}

// The negative control: a line without end.
func TestTheFloodNoticesALineWithoutEnd(t *testing.T) {
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
	g := newRig(t, func(c *Config) {
		c.Entries, c.BatchSize, c.MaxPending, c.MaxWaiting, c.Patience = sessions, batch, 2*batch, waiting, patience
	})
	for i := range sessions {
		rec := g.record("u")
		rec.ID = nthID(i)
		binary.BigEndian.PutUint32(rec.Hash[4:], uint32(i))
		g.s.keep(*rec, viewOf(*rec), false)
	}
	began := make(map[*request]int64)
	var waits []int64
	accepted, worst := 0, int64(0)
	note := func(list []answer) {
		for _, a := range list {
			d := g.now - began[a.req]
			delete(began, a.req)
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
			note(g.send(settled{result: applied(b)}))
		}
		r := g.req(kindUpdate)
		r.id, r.maxData = nthID(i%sessions), 1000
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
