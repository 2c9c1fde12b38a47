package nodes

import (
	"context"
	"errors"
	"time"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// clocked is a node without a store: an actor, whose wall clock the test sets.
type clocked struct {
	*actor.Actor
	offset time.Duration // of its wall clock
}

// clocked starts an actor on the spare handle.
func (f *fixture) clocked(offset time.Duration) *clocked {
	began := time.Now()
	tick := func() int64 { return time.Since(began).Microseconds() }
	c := &clocked{offset: offset}
	c.Actor = actor.Start(f.spare, actor.Config{
		Entries: 100, Bytes: 1 << 20, BatchInterval: interval, BatchSize: 100, MaxPending: 100, MaxPendingBytes: 1 << 20,
		MaxTombstones: 100, MaxLoads: 10, MaxWaiting: 10, Patience: time.Second, CloseTimeout: time.Second, Lease: f.lease,
		ExpiryGrace: time.Minute, Tick: tick, Now: func() int64 { return time.Now().Add(c.offset).UnixMicro() },
	})
	f.Cleanup(func() { _ = c.Close() })
	return c
}

// record stores a session that ends at a time.
func (f *fixture) record(n byte, end time.Time) *persist.Record {
	f.Helper()
	now := time.Now().UnixMicro()
	r := &persist.Record{
		Identity: &persist.Identity{ID: persist.ID{15: n}, UserID: "ann", CreatedAt: now, Deadline: persist.NoDeadline, TTL: time.Hour.Microseconds()},
		Hash:     persist.Hash{31: n}, Version: 1, Data: []byte("{}"), LastActive: now, ExpiresAt: end.UnixMicro(),
	}
	op := persist.Op{Kind: persist.OpCreate, Record: r}
	res, err := f.db.Apply(f.Context(), &persist.Batch{Ops: []persist.Op{op}})
	if err != nil || res.Ops[0].Status != persist.StatusApplied {
		f.Fatalf("Apply: %v, %v", res, err)
	}
	return r
}

// serves reports whether the node opens a session by its token.
func (f *fixture) serves(c *clocked, r *persist.Record) bool {
	f.Helper()
	now := time.Now().Add(c.offset).UnixMicro()
	v := c.Peek(&r.Hash, now)
	if v == nil {
		var err error
		if v, err = c.Find(f.Context(), persist.TokenKey{Hash: r.Hash}); err != nil && !errors.Is(err, persist.ErrNotFound) {
			f.Fatalf("Find: %v", err)
		}
	}
	return v != nil && v.ActiveAt(now)
}

// wallClockBack: N4.
func wallClockBack(f *fixture) {
	b := f.clocked(0)
	r := f.record(1, time.Now().Add(24*time.Hour))
	f.wait(f.lease)
	if !f.serves(b, r) {
		f.Fatal("the session is not found")
	}
	f.fault(f.spare.breakFeed)
	b.offset = -time.Hour
	f.ok("Destroy", f.nodes[0].Destroy(f.Context(), [16]byte(r.ID)))
	f.wait(f.lease)
	for range 20 {
		if f.serves(b, r) {
			f.Fatal("a destroyed session is served")
		}
		f.wait(f.lease / 5)
	}
}

// clockAhead: N9. The database's clock decides what has expired.
func clockAhead(f *fixture) {
	b := f.clocked(25 * time.Minute)
	r, over := f.record(1, time.Now().Add(20*time.Minute)), f.record(2, time.Now().Add(-2*time.Minute))
	if n, err := b.Sweep(f.Context()); err != nil || n != 1 {
		f.Errorf("the sweep has deleted %d sessions, and one is over (%v)", n, err)
	}
	if !f.exists([16]byte(r.ID)) || f.exists([16]byte(over.ID)) {
		f.Fatal("the sweep has deleted an active session, or left one that is over")
	}
	evict := &persist.Record{
		Identity: &persist.Identity{ID: persist.ID{15: 3}, UserID: "ann", CreatedAt: r.CreatedAt, Deadline: persist.NoDeadline, TTL: r.TTL},
		Hash:     persist.Hash{31: 3}, Version: 1, Data: []byte("{}"), LastActive: r.LastActive, ExpiresAt: r.ExpiresAt,
	}
	if _, err := b.Create(context.Background(), evict, persist.Limit{Max: 1, Refuse: true}, persist.ID{}); !errors.Is(err, actor.ErrLimitReached) {
		f.Fatalf("a login beyond the limit, by a node for which the other session is over: %v", err)
	}
}
