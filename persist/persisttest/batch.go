package persisttest

import (
	"context"
	"errors"

	"github.com/sessile/sessile/persist"
)

func batchContract() []contract {
	return []contract{
		{"of no items changes nothing", func(f *fixture) { f.apply(persist.Batch{}) }},
		{"lets a destroy win over a write and a touch", func(f *fixture) { // D5, S22
			r, s := f.create(f.record("ann")), f.create(f.record("ann"))
			res := f.apply(persist.Batch{
				Ops:     []persist.Op{destroyOp(r.ID), destroyOp(s.ID)},
				Writes:  []persist.Write{writeTo(r, r.Version, 77)},
				Touches: []persist.Touch{{Ref: s.Ref(), LastActive: now, ExpiresAt: now + hour}},
			})
			f.is(res.Writes[0], persist.StatusApplied)
			f.is(res.Ops[0], persist.StatusApplied)
			f.gone(r)
			f.gone(s)
		}},
		{"can destroy a session that it created", func(f *fixture) { // S31
			r := f.record("ann")
			res := f.apply(persist.Batch{Ops: []persist.Op{
				createOp(r, persist.Limit{}),
				{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}},
			}})
			f.is(res.Ops[0], persist.StatusApplied)
			f.removed(res.Ops[1], r)
			f.gone(r)
		}},
		{"can create after a destroy", func(f *fixture) {
			old, r := f.create(f.record("ann")), f.record("ann")
			res := f.apply(persist.Batch{Ops: []persist.Op{
				{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}},
				createOp(r, persist.Limit{Max: 1, Refuse: true}),
			}})
			f.removed(res.Ops[0], old)
			f.is(res.Ops[1], persist.StatusApplied)
			r.Key = res.Ops[1].Key
			f.stored(r)
		}},
		{"gives every item its own outcome", func(f *fixture) {
			a, b, c := f.create(f.record("ann")), f.create(f.record("ann")), f.record("ann")
			res := f.apply(persist.Batch{
				Writes: []persist.Write{writeTo(b, 12345, 1), writeTo(c, 1, 2), writeTo(a, a.Version, 77)},
				Touches: []persist.Touch{
					{Ref: c.Ref(), LastActive: now}, {Ref: b.Ref(), LastActive: now, ExpiresAt: now + 1},
				},
				Ops: []persist.Op{destroyOp(c.ID), createOp(c, persist.Limit{}), rotateOp(a, b.Hash), {}, destroyOp(b.ID)},
			})
			for i, want := range []persist.Status{persist.StatusConflict, persist.StatusGone, persist.StatusApplied} {
				f.is(res.Writes[i], want)
			}
			for i, want := range []persist.Status{persist.StatusGone, persist.StatusApplied} {
				f.is(res.Touches[i], want)
			}
			for i, want := range []persist.Status{persist.StatusGone, persist.StatusApplied, persist.StatusConflict, persist.StatusFailed, persist.StatusApplied} {
				f.is(res.Ops[i], want)
			}
		}},
		{"accepts ten thousand items", func(f *fixture) {
			const n = 5_000
			var creates []persist.Op
			for range n {
				creates = append(creates, createOp(f.record("ann"), persist.Limit{}))
			}
			res := f.apply(persist.Batch{Ops: creates})
			var b persist.Batch
			for i := range n { // backwards, so that the batch is not in key order
				r := creates[n-1-i].Record
				r.Key = res.Ops[n-1-i].Key
				b.Touches = append(b.Touches, persist.Touch{Ref: r.Ref(), LastActive: now + int64(i), ExpiresAt: now + hour})
				b.Writes = append(b.Writes, writeTo(r, r.Version, r.Version+n))
			}
			res = f.apply(b)
			for i := range n {
				f.is(res.Touches[i], persist.StatusApplied)
				f.is(res.Writes[i], persist.StatusApplied)
			}
			if got := f.byHash(creates[0].Record.Hash).LastActive; got != now+n-1 {
				f.Fatalf("last active at %d", got-now)
			}
			o := f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}})
			if len(o.Removed) != n {
				f.Fatalf("%d were removed", len(o.Removed))
			}
		}},
		{"does not start after its context has ended", func(f *fixture) { // D17
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			r := f.record("ann")
			_, err := f.b.Apply(ctx, &persist.Batch{Now: now, Ops: []persist.Op{createOp(r, persist.Limit{})}})
			if !errors.Is(err, persist.ErrUnavailable) {
				f.Fatalf("Apply: %v", err)
			}
			f.gone(r)
			f.create(r)
		}},
	}
}

func traitsContract() []contract {
	return []contract{
		{"name the engine and have a key of 32 bytes", func(f *fixture) {
			a, b := f.b.Traits(), f.b.Traits()
			if a.Engine == "" || len(a.StoreKey) != 32 || string(a.StoreKey) == string(make([]byte, 32)) {
				f.Fatalf("%q, %d bytes", a.Engine, len(a.StoreKey))
			}
			if string(a.StoreKey) != string(b.StoreKey) || a.Exclusive != b.Exclusive {
				f.Fatal("the traits change")
			}
		}},
		clockContract(),
		{"a second Close has no effect", func(f *fixture) {
			f.create(f.record("ann"))
			if err := f.b.Close(); err != nil {
				f.Fatalf("Close: %v", err)
			}
			if err := f.b.Close(); err != nil {
				f.Fatalf("Close again: %v", err)
			}
		}},
	}
}
