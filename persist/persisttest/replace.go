package persisttest

import (
	"github.com/sessile/sessile/persist"
)

func replaceOp(r *persist.Record, l persist.Limit, id persist.ID) persist.Op {
	return persist.Op{Kind: persist.OpCreate, Record: r, Limit: l, Replaces: id}
}

func replaceContract() []contract {
	return []contract{
		{"deletes the session with the create", func(f *fixture) {
			other, old, r := f.create(f.record("ann")), f.create(f.record("ann")), f.record("ann")
			o := f.op(replaceOp(r, persist.Limit{}, old.ID))
			f.is(o, persist.StatusApplied)
			f.removed(o, old)
			f.gone(old)
			f.stored(other)
			r.Key = o.Key
			f.stored(r)
		}},
		{"does not count it toward the limit", func(f *fixture) {
			for _, refuse := range []bool{false, true} {
				user := map[bool]string{false: "ann", true: "bob"}[refuse]
				a, b := f.create(f.record(user)), f.create(f.record(user))
				o := f.op(replaceOp(f.record(user), persist.Limit{Max: 2, Refuse: refuse}, b.ID))
				f.is(o, persist.StatusApplied)
				f.removed(o, b)
				f.stored(a)
			}
			only := f.create(f.record("eve"))
			o := f.op(replaceOp(f.record("eve"), persist.Limit{Max: 1, Refuse: true}, only.ID))
			f.is(o, persist.StatusApplied)
			f.removed(o, only)
		}},
		{"also evicts beyond the limit", func(f *fixture) {
			a, b, c := f.create(f.record("ann")), f.create(f.record("ann")), f.create(f.record("ann"))
			o := f.op(replaceOp(f.record("ann"), persist.Limit{Max: 2}, b.ID))
			f.removed(o, a, b)
			f.stored(c)
		}},
		{"deletes an expired one too", func(f *fixture) {
			live, old := f.create(f.record("ann")), f.record("ann")
			old.ExpiresAt = now
			f.create(old)
			o := f.op(replaceOp(f.record("ann"), persist.Limit{Max: 2, Refuse: true}, old.ID))
			f.is(o, persist.StatusApplied)
			f.removed(o, old)
			f.stored(live)
		}},
		{"a refused create deletes nothing", func(f *fixture) {
			a, old := f.create(f.record("ann")), f.create(f.record("ann"))
			o := f.op(replaceOp(f.record("ann"), persist.Limit{Max: 1, Refuse: true}, old.ID))
			f.is(o, persist.StatusFull)
			f.removed(o)
			taken := f.record("ann")
			taken.Hash = a.Hash
			f.is(f.op(replaceOp(taken, persist.Limit{}, old.ID)), persist.StatusConflict)
			f.stored(a)
			f.stored(old)
		}},
		{"applied again changes nothing", func(f *fixture) {
			old, r := f.create(f.record("ann")), f.record("ann")
			op := replaceOp(r, persist.Limit{Max: 1}, old.ID)
			r.Key = f.op(op).Key
			other := f.create(f.record("ann"))
			o := f.op(op)
			f.is(o, persist.StatusApplied)
			f.removed(o)
			op.Replaces = other.ID // it has no effect here
			f.removed(f.op(op))
			f.stored(r)
			f.stored(other)
		}},
		{"ignores a session that is not the user's or does not exist", func(f *fixture) {
			bob, guest, upper := f.create(f.record("bob")), f.create(f.record("")), f.create(f.record("ANN"))
			for _, id := range []persist.ID{bob.ID, guest.ID, upper.ID, idOf(1 << 40)} {
				o := f.op(replaceOp(f.record("ann"), persist.Limit{}, id))
				f.is(o, persist.StatusApplied)
				f.removed(o)
			}
			f.is(f.op(replaceOp(f.record("ann"), persist.Limit{Max: 4, Refuse: true}, bob.ID)), persist.StatusFull) // it never counted
			f.stored(bob)
			f.stored(guest)
			f.stored(upper)
		}},
		{"a guest replaces nothing", func(f *fixture) {
			guest := f.create(f.record(""))
			o := f.op(replaceOp(f.record(""), persist.Limit{Max: 2}, guest.ID))
			f.is(o, persist.StatusApplied)
			f.removed(o)
			f.stored(guest)
			f.is(f.op(replaceOp(f.record(""), persist.Limit{Max: 2, Refuse: true}, guest.ID)), persist.StatusFull)
		}},
		{"of two in one batch only the first replaces it", func(f *fixture) { // parallel logins of one browser
			old := f.create(f.record("ann"))
			res := f.apply(persist.Batch{Ops: []persist.Op{
				replaceOp(f.record("ann"), persist.Limit{Max: 2}, old.ID), replaceOp(f.record("ann"), persist.Limit{Max: 2}, old.ID),
			}})
			f.removed(res.Ops[0], old)
			f.removed(res.Ops[1])
			if n := len(f.list("ann")); n != 2 {
				f.Fatalf("%d sessions, want 2", n)
			}
		}},
		{"runs after the writes of its batch", func(f *fixture) {
			old := f.create(f.record("ann"))
			res := f.apply(persist.Batch{
				Writes: []persist.Write{writeTo(old, old.Version, 77)},
				Ops:    []persist.Op{replaceOp(f.record("ann"), persist.Limit{}, old.ID), rotateOp(old, f.newHash())},
			})
			f.is(res.Writes[0], persist.StatusApplied)
			f.removed(res.Ops[0], old)
			f.is(res.Ops[1], persist.StatusGone)
			f.gone(old)
		}},
	}
}
