package persisttest

import (
	"context"

	"github.com/sessile/sessile/persist"
)

func limitContract() []contract {
	return []contract{
		{"evicts the least recently active", func(f *fixture) { // A17, S37
			a, b, c := f.record("ann"), f.record("ann"), f.record("ann")
			a.LastActive, b.LastActive, c.LastActive = now-3, now-9, now-6
			f.create(a)
			f.create(b)
			f.create(c)
			o := f.op(createOp(f.record("ann"), persist.Limit{Max: 2}))
			f.is(o, persist.StatusApplied)
			f.removed(o, b, c)
			f.gone(b)
			f.gone(c)
			f.stored(a)
		}},
		{"evicts the lower ID among equals", func(f *fixture) {
			a, b, c := f.create(f.record("ann")), f.create(f.record("ann")), f.create(f.record("ann"))
			o := f.op(createOp(f.record("ann"), persist.Limit{Max: 2}))
			f.removed(o, a, b)
			f.stored(c)
		}},
		{"never evicts the new session, even after a clock step", func(f *fixture) {
			a, b := f.create(f.record("ann")), f.create(f.record("ann"))
			r := f.record("ann")
			r.LastActive = now - 30*24*hour
			o := f.op(createOp(r, persist.Limit{Max: 1}))
			f.removed(o, a, b)
			r.Key = o.Key
			f.stored(r)
		}},
		{"does not count expired sessions", func(f *fixture) {
			a, old, edge := f.record("ann"), f.record("ann"), f.record("ann")
			old.ExpiresAt, edge.ExpiresAt = now-1, now
			f.create(a)
			f.create(old)
			f.create(edge)
			o := f.op(createOp(f.record("ann"), persist.Limit{Max: 2}))
			f.removed(o)
			f.stored(a)
			f.stored(old)
			f.is(f.op(createOp(f.record("bob"), persist.Limit{Max: 1, Refuse: true})), persist.StatusApplied)
		}},
		{"does not touch other users", func(f *fixture) {
			bob, guest, upper := f.create(f.record("bob")), f.create(f.record("")), f.create(f.record("ANN"))
			f.create(f.record("ann"))
			f.op(createOp(f.record("ann"), persist.Limit{Max: 1}))
			f.stored(bob)
			f.stored(guest)
			f.stored(upper)
		}},
		{"refuses instead with Limit.Refuse", func(f *fixture) { // S38
			a, b := f.create(f.record("ann")), f.create(f.record("ann"))
			r := f.record("ann")
			o := f.op(createOp(r, persist.Limit{Max: 2, Refuse: true}))
			f.is(o, persist.StatusFull)
			f.removed(o)
			f.gone(r)
			f.stored(a)
			f.stored(b)
			f.is(f.op(createOp(r, persist.Limit{Max: 3, Refuse: true})), persist.StatusApplied)
			f.is(f.op(createOp(r, persist.Limit{Max: 1, Refuse: true})), persist.StatusApplied) // repeated: it exists already
		}},
		{"counts API tokens apart", func(f *fixture) {
			token := func() *persist.Record {
				r := f.record("ann")
				r.Flags = persist.APIToken | persist.DefaultTTL
				return r
			}
			ci, cron := f.create(token()), f.create(token())
			a, b := f.create(f.record("ann")), f.create(f.record("ann"))
			f.is(f.op(createOp(f.record("ann"), persist.Limit{Max: 2, Refuse: true})), persist.StatusFull)
			f.is(f.op(createOp(token(), persist.Limit{Max: 2, Refuse: true})), persist.StatusFull)
			o := f.op(createOp(f.record("ann"), persist.Limit{Max: 2}))
			f.is(o, persist.StatusApplied)
			f.removed(o, a)
			o = f.op(createOp(token(), persist.Limit{Max: 2}))
			f.is(o, persist.StatusApplied)
			f.removed(o, ci)
			f.stored(cron)
			f.stored(b)
			f.is(f.op(createOp(token(), persist.Limit{Max: 3, Refuse: true})), persist.StatusApplied)
			f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}})
			f.gone(cron)
			f.gone(b)
		}},
		{"is exact within a batch", func(f *fixture) { // A17
			var ops []persist.Op
			for range 50 {
				ops = append(ops, createOp(f.record("ann"), persist.Limit{Max: 5}))
			}
			gone := 0
			for _, o := range f.apply(persist.Batch{Ops: ops}).Ops {
				f.is(o, persist.StatusApplied)
				gone += len(o.Removed)
			}
			if n := len(f.list("ann")); n != 5 || gone != 45 {
				f.Fatalf("%d sessions are left and %d were removed", n, gone)
			}
			if o := f.op(createOp(f.record("ann"), persist.Limit{})); len(o.Removed) != 0 || len(f.list("ann")) != 6 {
				f.Fatal("Max 0 is no limit")
			}
		}},
		{"bounds all guests together and evicts the least recently active", func(f *fixture) { // S39
			ann := f.create(f.record("ann"))
			first, second, third := f.create(f.record("")), f.create(f.record("")), f.create(f.record(""))
			f.is(f.touch(persist.Touch{Ref: first.Ref(), LastActive: now, ExpiresAt: now + hour}), persist.StatusApplied)
			first.LastActive = now
			o := f.op(createOp(f.record(""), persist.Limit{Max: 3}))
			f.is(o, persist.StatusApplied)
			f.removed(o, second)
			f.stored(third)
			o = f.op(createOp(f.record(""), persist.Limit{Max: 1}))
			f.is(o, persist.StatusApplied)
			if f.gone(third); len(o.Removed) != 3 {
				f.Fatalf("%d guests were removed", len(o.Removed))
			}
			f.gone(first)
			f.stored(ann)
		}},
		{"evicts the oldest guest among equals", func(f *fixture) {
			late, first, second := f.record(""), f.create(f.record("")), f.create(f.record(""))
			f.create(late) // created last, although its ID is lower
			f.removed(f.op(createOp(f.record(""), persist.Limit{Max: 3})), first)
			f.removed(f.op(createOp(f.record(""), persist.Limit{Max: 3})), second)
			f.stored(late)
		}},
		{"never evicts the new guest, even after a clock step", func(f *fixture) {
			a, b, r := f.create(f.record("")), f.create(f.record("")), f.record("")
			r.LastActive = now - 30*24*hour
			o := f.op(createOp(r, persist.Limit{Max: 2}))
			f.removed(o, a)
			r.Key = o.Key
			f.stored(r)
			f.removed(f.op(createOp(f.record(""), persist.Limit{Max: 2})), r)
			f.stored(b)
		}},
		{"an active guest survives a flood of new ones", func(f *fixture) {
			busy, at := f.create(f.record("")), now
			for i := range 40 {
				at += second
				b := persist.Batch{Now: at}
				switch next := busy.Version + 1; i % 5 {
				case 0:
					b.Writes = []persist.Write{writeTo(busy, busy.Version, next)}
					b.Writes[0].LastActive, busy.Version = at, next
				case 3:
					b.Touches = []persist.Touch{{Ref: busy.Ref(), LastActive: at, ExpiresAt: at + hour}}
				}
				r := f.record("")
				r.LastActive, r.ExpiresAt = at, at+hour
				b.Ops = []persist.Op{createOp(r, persist.Limit{Max: 8})}
				f.is(f.apply(b).Ops[0], persist.StatusApplied)
			}
			if _, err := f.b.ByID(context.Background(), busy.ID); err != nil {
				f.Fatal(err)
			}
		}},
		{"a retimed guest is evicted by its new times", func(f *fixture) {
			a, b := f.create(f.record("")), f.record("")
			b.LastActive = now + hour
			f.create(b)
			f.create(f.record(""))
			f.removed(f.op(createOp(f.record(""), persist.Limit{Max: 3})), a)
			f.is(f.touch(persist.Touch{
				Ref: b.Ref(), LastActive: now - 2*hour, ExpiresAt: now + hour, Retime: &persist.Retime{CreatedAt: now - 2*hour, Deadline: now + 2*hour},
			}), persist.StatusApplied)
			o := f.op(createOp(f.record(""), persist.Limit{Max: 3}))
			if len(o.Removed) != 1 || o.Removed[0].ID != b.ID {
				f.Fatalf("%d guests were removed, or another one", len(o.Removed))
			}
		}},
		{"keeps the count of guests current", func(f *fixture) {
			var guests []*persist.Record
			for range 4 {
				guests = append(guests, f.create(f.record("")))
			}
			f.is(f.op(destroyOp(guests[0].ID)), persist.StatusApplied)
			f.is(f.op(createOp(f.record(""), persist.Limit{Max: 3, Refuse: true})), persist.StatusFull)
			f.is(f.op(persist.Op{Kind: persist.OpExpire, Ref: guests[1].Ref()}), persist.StatusConflict)
			f.is(f.op(createOp(guests[1], persist.Limit{Max: 1})), persist.StatusApplied) // repeated
			o := f.op(createOp(f.record(""), persist.Limit{Max: 2}))
			f.removed(o, guests[1], guests[2])
			f.is(f.op(createOp(f.record(""), persist.Limit{Max: 2, Refuse: true})), persist.StatusFull)
			f.is(f.op(createOp(f.record(""), persist.Limit{Max: 3, Refuse: true})), persist.StatusApplied)
		}},
		{"sees the touches of its batch", func(f *fixture) {
			a, b := f.create(f.record("ann")), f.create(f.record("ann"))
			res := f.apply(persist.Batch{
				Touches: []persist.Touch{{Ref: a.Ref(), LastActive: now, ExpiresAt: now + hour}},
				Ops:     []persist.Op{createOp(f.record("ann"), persist.Limit{Max: 2})},
			})
			f.removed(res.Ops[0], b)
		}},
	}
}
