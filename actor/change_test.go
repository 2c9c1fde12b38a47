package actor

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// TestDataUpToItsBoundIsTakenAndMoreIsNot (S45), but what is too much already may shrink.
func TestDataUpToItsBoundIsTakenAndMoreIsNot(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	try := func(bound int, value string) error {
		r := g.update(id, value)
		r.maxData = bound
		return g.answer(g.do(r), r).err
	}
	equal(t, "at the bound", try(10, "1234"), nil) // {"k":1234}
	equal(t, "beyond it", errors.Is(try(10, "12345"), ErrDataTooLarge), true)
	equal(t, "as much of too much", errors.Is(try(9, "4321"), ErrDataTooLarge), true)
	equal(t, "less of too much", try(8, "321"), nil)
	g.pass(interval)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"k":321}`)
}

// TestAnAccessRenewsASessionByItsOwnLifetimeAndNotBeyondItsDeadline (S27, I6).
func TestAnAccessRenewsASessionByItsOwnLifetimeAndNotBeyondItsDeadline(t *testing.T) {
	g := newRig(t, nil)
	r := g.createReq("u")
	r.record.TTL, r.record.ExpiresAt, r.record.Deadline = 1000, g.now+1000, g.now+2500
	g.do(r)
	g.settle()
	born := g.now
	for _, want := range []int64{1900, 2500} {
		g.now += 900
		a := g.touch(r.record.ID)
		equal(t, "end", g.ok(g.do(a), a).view.end()-born, want)
	}
}

// TestALifetimeThatOverflowsIsForEver (S28).
func TestALifetimeThatOverflowsIsForEver(t *testing.T) {
	equal(t, "an hour", renewed(1000, 3600), 4600)
	equal(t, "the last instant", renewed(1000, forever-1000), forever)
	equal(t, "beyond", renewed(1001, forever-1000), forever)
}

// TestASessionEndsAtItsInstant (S26): active before, and not from then on.
func TestASessionEndsAtItsInstant(t *testing.T) {
	v := viewOf(persist.Record{Identity: &persist.Identity{Deadline: 100}, ExpiresAt: 50, Data: []byte("{}")})
	equal(t, "before its expiry", v.ActiveAt(49), true)
	equal(t, "at its expiry", v.ActiveAt(50), false)
	v = viewOf(persist.Record{Identity: &persist.Identity{Deadline: 50}, ExpiresAt: 100, Data: []byte("{}")})
	equal(t, "before its deadline", v.ActiveAt(49), true)
	equal(t, "at its deadline", v.ActiveAt(50), false)
}

func TestAGraceIsOverAtItsInstant(t *testing.T) {
	v := viewOf(persist.Record{Identity: &persist.Identity{}, Rotation: &persist.Rotation{Until: 50}, Data: []byte("{}")})
	equal(t, "before", v.graced(49), true)
	equal(t, "at", v.graced(50), false)
}

// TestTheCostOfASessionGrowsWithEveryStringOfIt (S45): the bound of memory counts them.
func TestTheCostOfASessionGrowsWithEveryStringOfIt(t *testing.T) {
	cost := func(id persist.Identity, data string) int {
		return viewOf(persist.Record{Identity: &id, Data: []byte(data)}).cost()
	}
	s := strings.Repeat("x", 100)
	least := cost(persist.Identity{}, "{}")
	equal(t, "an empty one", least, viewBytes+2)
	for _, id := range []persist.Identity{
		{UserID: s}, {IPAddress: s}, {UserAgent: s}, {DeviceName: s}, {DeviceType: s}, {Fingerprint: s},
	} {
		equal(t, "with a string of 100", cost(id, "{}"), least+100)
	}
	equal(t, "with data of 102", cost(persist.Identity{}, s+"{}"), least+100)
}

// TestAVersionIsNewerThanTheOneItReplaces, whatever the dice say where others write too (I5).
func TestAVersionIsNewerThanTheOneItReplaces(t *testing.T) {
	for _, exclusive := range []bool{true, false} {
		g := newRig(t, func(c *Config) { c.Exclusive = exclusive })
		g.s.rng = rand.New(dice{})
		equal(t, "the least", g.s.mint(5), 6)
	}
	s := newRig(t, func(c *Config) { c.Exclusive = false }).s
	for range 100 {
		if v := s.mint(5); v < 6 || v >= 6+1<<40 {
			t.Fatal(v)
		}
	}
}

func TestChangesOfDataAreCounted(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	r := g.req(kindFlush)
	r.id, r.doc, r.at, r.expires = id, object.FromStored([]byte(`{"a":1}`)), g.now, g.now+1000
	g.ok(g.do(r), r)
	equal(t, "flushes", g.stats().Flushes, 2)
	g.pass(interval)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"a":1}`)
	equal(t, "end", rec.ExpiresAt, g.now-interval+1000)
}

// TestAConflictOfOurOwnIsWrittenOver (D12): where nobody else writes it is an
// earlier version whose commit was reported as unknown.
func TestAConflictOfOurOwnIsWrittenOver(t *testing.T) {
	g := newRig(t, nil)
	id := g.create("u").ID
	g.do(g.update(id, "1"))
	g.pass(interval)
	g.commit() // done,
	g.do(g.update(id, "2"))
	g.fails(persist.ErrUnknown) // and not known to be
	g.pass(1_000_000)
	g.settle()
	equal(t, "conflicts", g.stats().Conflicts, 1)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"k":2}`)
	equal(t, "idle", g.s.idle(), true)
}

func TestUnknownTokensAreCounted(t *testing.T) {
	g := newRig(t, nil)
	for i := range byte(3) {
		g.refusedFind(g.read(persist.Hash{9, i}))
	}
	r := g.req(kindReadID) // an id is no token
	r.id = persist.ID{9}
	g.refused(g.by(r), r, persist.ErrNotFound)
	equal(t, "unknown tokens", g.stats().UnknownTokens, 3)
}

func (g *rig) refusedFind(r *request) {
	g.Helper()
	if err := g.find(r).err; !errors.Is(err, persist.ErrNotFound) {
		g.Fatal(err)
	}
}

// TestACallerWhoGivesUpSaysNothingAboutTheDisk: the next in line reads it again, once.
func TestACallerWhoGivesUpSaysNothingAboutTheDisk(t *testing.T) {
	for _, own := range []bool{true, false} {
		g := newRig(t, nil)
		r, next, left := g.read(persist.Hash{9}), g.read(persist.Hash{9}), g.read(persist.Hash{9})
		l := g.answer(g.do(r), r).load
		g.do(left)
		g.do(next)
		g.do(abandon{req: left})
		r.offer = &offer{load: l, err: context.Canceled, own: own}
		out := g.do(r)
		g.refused(out, r, context.Canceled)
		equal(t, "the next reads", g.answer(out, next).load != nil, own)
		g.waits(out, left)
	}
}

// TestTheLeaseEndsAtItsInstant: memory is good for Lease after everything older than age was delivered.
func TestTheLeaseEndsAtItsInstant(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Exclusive, c.Lease = false, micro(1000) })
	rec := g.create("u")
	equal(t, "lapsed before any news", g.stats().LeaseLapsed, true)
	end := g.now + 1000 - 300
	equal(t, "lease", g.do(fresh{micro(300)}).lease, end)
	equal(t, "lease after older news", g.do(fresh{micro(800)}).lease, end)
	g.now = end - 1
	r := g.read(rec.Hash)
	g.ok(g.do(r), r)
	equal(t, "lapsed", g.stats().LeaseLapsed, false)
	g.now = end
	r = g.read(rec.Hash)
	equal(t, "it reads the disk", g.answer(g.do(r), r).load != nil, true)
	equal(t, "lapsed", g.stats().LeaseLapsed, true)
}

// TestWhatAnotherNodeChangedIsForgotten, and nothing else.
func TestWhatAnotherNodeChangedIsForgotten(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Exclusive, c.Lease = false, micro(1e9) })
	changed, kept, out, other := g.create("u"), g.create("v"), g.create("v"), g.create("w")
	g.do(invalidate{[]persist.Event{
		{Kind: persist.SessionChanged, ID: changed.ID}, {Kind: persist.SessionChanged, ID: persist.ID{99}},
		{Kind: persist.UserChanged, UserID: "v", Except: kept.ID},
	}})
	for rec, there := range map[*persist.Record]bool{changed: false, kept: true, out: false, other: true} {
		equal(t, rec.UserID, g.s.hot.ByID(rec.ID) != nil, there)
	}
}
