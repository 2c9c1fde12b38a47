package actor

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
)

// resident puts n sessions of a user into memory, the i-th of which ends in ttl(i) microseconds.
func (g *harness) resident(user string, n int, ttl func(i int) int64) []persist.ID {
	ids := make([]persist.ID, n)
	for i := range ids {
		rec := g.record(user)
		rec.ID = nthID(i)
		binary.BigEndian.PutUint32(rec.Hash[4:], uint32(i))
		rec.TTL, rec.ExpiresAt = ttl(i), g.now+ttl(i)
		g.c.install(*rec, viewOf(*rec), false)
		ids[i] = rec.ID
	}
	g.do(wakeUp{})
	return ids
}

func hour(int) int64 { return 3_600_000_000 }

// steps runs the core until it has nothing to do at once, and returns how long its steps
// took and how many sessions the largest ended.
func (g *harness) steps(m message) (took []time.Duration, most int) {
	for ; m != nil; m = nil {
		for {
			before, began := g.c.hot.Len(), time.Now()
			out := g.c.step(m, g.now, g.now)
			g.p.publish(g.c.hot, out)
			took = append(took, time.Since(began))
			most = max(most, before-g.c.hot.Len(), len(out.events))
			if out.batch != nil {
				g.batch = out.batch
			}
			for _, r := range out.replies {
				<-r.call.resume
			}
			if m = (wakeUp{}); out.wake != 0 {
				break
			}
		}
	}
	slices.Sort(took)
	return took, most
}

// TestDestroyUserOfManySessionsIsCutIntoSteps: neither taking them out of memory nor telling
// of their ends holds up others. The figure of a step is that of BenchmarkStepOfALogOut.
func TestDestroyUserOfManySessionsIsCutIntoSteps(t *testing.T) {
	const sessions = 100_000
	g := newHarness(t, func(c *Config) { c.Entries = 2 * sessions })
	g.resident("u", sessions, hour)
	other := g.create("v")
	x := g.wipe("u")
	took, most := g.steps(x)
	equal(t, "left in memory", g.c.hot.Len(), 1)
	t.Logf("out of memory in %d steps, the median %v, the longest %v", len(took), took[len(took)/2], took[len(took)-1])
	equal(t, "sessions of the largest step", most, 2*sliceSize) // the first one
	var out persist.Outcome
	out.Status = persist.StatusApplied
	for i := range sessions {
		out.Removed = append(out.Removed, persist.Removed{ID: nthID(i), UserID: "u"})
	}
	g.batch = nil
	took, most = g.steps(batchDone{result: persist.Result{Ops: []persist.Outcome{out}}})
	t.Logf("told in %d steps, the median %v, the longest %v", len(took), took[len(took)/2], took[len(took)-1])
	equal(t, "events of the largest step", most, 2*sliceSize)
	equal(t, "sessions ended", x.n, sessions)
	equal(t, "answered", x.answered && x.err == nil, true)
	equal(t, "another user's session is there", g.c.hot.ByID(other.ID) != nil, true)
	equal(t, "idle", g.c.idle() && g.c.tombstones.len() == 0, true)
}

// TestDestroyUserIsAnsweredWhenItsSessionsAreRefused: not before, whoever is faster, the
// disk or memory, and whether the disk does it or not.
func TestDestroyUserIsAnsweredWhenItsSessionsAreRefused(t *testing.T) {
	const sessions = 3*sliceSize + 1
	for name, end := range map[string]func(*harness) *effects{
		"done":    func(g *harness) *effects { return g.status(persist.StatusApplied) },
		"refused": func(g *harness) *effects { return g.status(persist.StatusFailed) },
		"failed":  func(g *harness) *effects { return g.fails(persist.ErrUnavailable) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newHarness(t, nil)
			g.resident("u", sessions, hour)
			x := g.wipe("u")
			g.waits(g.do(x), x)
			g.waits(end(g), x)
			equal(t, "there are some still", g.c.hot.Len() > 0, true)
			for n := 0; !x.answered && n < 10; n++ {
				g.do(wakeUp{})
			}
			equal(t, "answered", x.answered, true)
			equal(t, "left in memory when it was", g.c.hot.Len(), 0)
		})
	}
}

// TestDestroyUserThatIsGivenUpIsToldTheTruth: that its sessions are refused, as soon as they are.
func TestDestroyUserThatIsGivenUpIsToldTheTruth(t *testing.T) {
	g := newHarness(t, nil)
	g.resident("u", 4*sliceSize, hour)
	x := g.wipe("u")
	g.do(x)
	g.waits(g.do(abandon{x.base(), false}), x)
	for n := 0; !x.answered && n < 10; n++ {
		g.do(wakeUp{})
	}
	left, ok := x.err.(*leftError)                                   //nolint:errorlint // it is the answer itself
	equal(t, "not durable", ok && left.state == ErrNotDurable, true) //nolint:errorlint // the state itself
	equal(t, "left in memory", g.c.hot.Len(), 0)
}

// TestDestroyUserSparesSessionsThatBeginMeanwhile.
func TestDestroyUserSparesSessionsThatBeginMeanwhile(t *testing.T) {
	g := newHarness(t, nil)
	g.resident("u", 4*sliceSize, hour)
	g.do(g.wipe("u"))
	x := g.createReq("u")
	x.record.ID[0] = 9
	g.do(x)
	g.settle() // the log-out
	g.ok(g.settle(), x)
	for range 10 {
		g.do(wakeUp{})
	}
	equal(t, "in memory", g.c.hot.Len(), 1)
	g.okay(g.find(x.record.Hash))
}

// perStep is how long one of n steps takes at best.
func perStep(n int, step func(i int)) time.Duration {
	best := time.Hour
	for range 5 {
		began := time.Now()
		for i := range n {
			step(i)
		}
		best = min(best, time.Since(began)/time.Duration(n))
	}
	return best
}

// delayDestroys has the disk refuse n deletions, each of which waits for its next try.
func (g *harness) delayDestroys(n int) {
	for i := range n {
		p := &destroyOp{ref: persist.Ref{ID: persist.ID{8, byte(i >> 16), byte(i >> 8), byte(i)}}}
		p.deletes = true
		p.tombstone = g.c.tombstones.addSession(p.ref.ID, persist.Hash{}, "")
		g.c.seq++
		p.order, p.stage = g.c.seq, delayed
		g.c.ops.delayed.Set(p, g.now+1_000_000_000+int64(i))
	}
}

// TestTouchCostsTheSameBesideManyDelayedDestroys.
func TestTouchCostsTheSameBesideManyDelayedDestroys(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxTombstones = 1 << 20 })
	id := g.create("u").ID
	x := g.touch(id)
	touch := func(int) {
		x.answered = false
		g.do(x)
	}
	alone := perStep(5000, touch)
	g.delayDestroys(100_000)
	g.do(g.sync()) // and somebody waits for all of them
	beside := perStep(5000, touch)
	t.Logf("a touch takes %v, and %v beside 100,000 delayed destroys", alone, beside)
	if beside > 10*alone {
		t.Error("it costs more")
	}
}

// TestUpdateCostsTheSameBesideManyWatchedSessions, of which 1,000 a second end.
func TestUpdateCostsTheSameBesideManyWatchedSessions(t *testing.T) {
	cost := func(watched int) time.Duration {
		g := newHarness(t, func(c *Config) { c.Entries = 100_000 })
		for _, id := range g.resident("w", watched, func(i int) int64 { return int64(i+1) * 1000 }) {
			g.do(g.watch(id))
		}
		id := g.create("u").ID
		x := g.update(id, "1")
		return perStep(5000, func(int) {
			g.now += 200 // 5,000 updates a second, and every fifth of them an end
			x.answered = false
			g.do(x)
		})
	}
	few, many := cost(5500), cost(55_000)
	t.Logf("an update takes %v, %v beside 5,500 watched sessions and %v beside 55,000", cost(0), few, many)
	if many > 10*few {
		t.Error("it costs more")
	}
}

func BenchmarkStepBesideDelayedDestroys(b *testing.B) {
	g := newHarness(&testing.T{}, func(c *Config) { c.MaxTombstones = 1 << 20 })
	id := g.create("u").ID
	g.delayDestroys(100_000)
	x := g.touch(id)
	for b.Loop() {
		x.answered = false
		g.do(x)
	}
}

func BenchmarkStepOfALogOut(b *testing.B) {
	const sessions = 100_000
	var longest, total time.Duration
	n := 0
	for b.Loop() {
		g := newHarness(&testing.T{}, func(c *Config) { c.Entries = 2 * sessions })
		g.resident("u", sessions, hour)
		took, _ := g.steps(g.wipe("u"))
		for _, d := range took {
			longest, total, n = max(longest, d), total+d, n+1
		}
	}
	b.ReportMetric(float64(total.Microseconds())/float64(n), "µs/step")
	b.ReportMetric(float64(longest.Microseconds()), "µs-longest-step")
}

// TestDestroyAllThatIsGivenUpIsAnsweredWhenMemoryIsClear, and not before: until then sessions live.
func TestDestroyAllThatIsGivenUpIsAnsweredWhenMemoryIsClear(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.Entries = 3 * sliceSize })
	for i := range 2 * sliceSize {
		r := g.record("u")
		r.ID, r.Hash, r.Key = persist.ID{7, byte(i >> 8), byte(i)}, persist.Hash{7, byte(i >> 8), byte(i)}, 1
		v := viewOf(*r)
		g.c.hot.Add(r.ID, r.UserID, r.Hash, v, v.cost())
	}
	x := newCommand(func(x *destroyAllCommand) { x.through, x.endsSessions = 1, true })
	g.do(x)
	g.waits(g.do(abandon{call: x.base()}), x)
	for range 10 {
		for _, r := range g.pass(0).replies {
			if r.call != x.base() {
				continue
			}
			left, ok := r.call.err.(*leftError)                                  //nolint:errorlint // it is the answer itself
			equal(t, "not on disk yet", ok && left.state == ErrNotDurable, true) //nolint:errorlint // the state itself
			equal(t, "in memory", g.c.hot.ByID(persist.ID{7, 0, 1}) != nil, false)
			return
		}
	}
	t.Error("no answer")
}
