package persisttest

import (
	"context"

	"github.com/sessile/sessile/persist"
)

func destroyContract() []contract {
	return []contract{
		{"deletes the session and returns it", func(f *fixture) {
			r, other := f.create(f.record("ann")), f.create(f.record("ann"))
			o := f.op(persist.Op{Kind: persist.OpDestroy, Ref: r.Ref()})
			f.is(o, persist.StatusApplied)
			f.removed(o, r)
			f.gone(r)
			f.stored(other)
		}},
		{"works with the ID alone", func(f *fixture) {
			r := f.create(f.record("ann"))
			f.removed(f.op(destroyOp(r.ID)), r)
		}},
		{"repeated is gone", func(f *fixture) {
			r := f.create(f.record("ann"))
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			o := f.op(persist.Op{Kind: persist.OpDestroy, Ref: r.Ref()})
			f.is(o, persist.StatusGone)
			f.removed(o)
			f.is(f.op(destroyOp(idOf(999))), persist.StatusGone)
		}},
		{"invalidates the previous token too", func(f *fixture) { // S24
			r := f.create(f.record("ann"))
			op := rotateOp(r, f.newHash())
			op.Until = persist.Unseen
			f.is(f.op(op), persist.StatusApplied)
			r.Hash = op.To
			f.removed(f.op(destroyOp(r.ID)), r)
			f.noHash(op.From)
			f.noHash(op.To)
		}},
		{"frees the ID and the hash", func(f *fixture) {
			r := f.create(f.record("ann"))
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			key := r.Key
			if f.create(r).Key == key {
				f.Fatal("the key was used again")
			}
			f.stored(r)
		}},
		{"of a user deletes all of them", func(f *fixture) { // A23, S31
			a, b, old := f.create(f.record("ann")), f.create(f.record("ann")), f.record("ann")
			old.ExpiresAt = now - hour
			f.create(old)
			bob, guest := f.create(f.record("bob")), f.create(f.record(""))
			o := f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}})
			f.is(o, persist.StatusApplied)
			f.removed(o, a, b, old)
			f.gone(a)
			f.gone(old)
			f.stored(bob)
			f.stored(guest)
		}},
		{"of a user keeps the excepted session", func(f *fixture) { // A23
			a, keep := f.create(f.record("ann")), f.create(f.record("ann"))
			op := persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}, Except: keep.ID}
			o := f.op(op)
			f.is(o, persist.StatusApplied)
			f.removed(o, a)
			f.stored(keep)
			o = f.op(op)
			f.is(o, persist.StatusApplied)
			f.removed(o)
		}},
		{"of a user with a foreign ID as exception deletes all", func(f *fixture) { // S33
			a, bob := f.create(f.record("ann")), f.create(f.record("bob"))
			f.removed(f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}, Except: bob.ID}), a)
			f.stored(bob)
		}},
		{"of no user deletes nothing", func(f *fixture) { // S33
			guest, ann := f.create(f.record("")), f.create(f.record("ann"))
			f.removed(f.op(persist.Op{Kind: persist.OpDestroyUser}))
			f.removed(f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "nobody"}}))
			f.stored(guest)
			f.stored(ann)
		}},
	}
}

func expireContract() []contract {
	expireOp := func(r *persist.Record) persist.Op { return persist.Op{Kind: persist.OpExpire, Ref: r.Ref()} }
	return []contract{
		{"deletes a session exactly at its end", func(f *fixture) { // S26
			r := f.record("ann")
			r.ExpiresAt = now
			f.create(r)
			o := f.op(expireOp(r))
			f.is(o, persist.StatusApplied)
			f.removed(o, r)
			f.gone(r)
			f.is(f.op(expireOp(r)), persist.StatusGone)
		}},
		{"keeps active sessions", func(f *fixture) {
			r := f.record("ann")
			r.ExpiresAt = now + 1
			f.create(r)
			o := f.op(expireOp(r))
			f.is(o, persist.StatusConflict)
			f.removed(o)
			f.stored(r)
		}},
		{"respects the touches of its batch", func(f *fixture) { // D8
			r := f.record("ann")
			r.ExpiresAt = now - 1
			f.create(r)
			res := f.apply(persist.Batch{
				Touches: []persist.Touch{{Ref: r.Ref(), LastActive: now, ExpiresAt: now + hour}},
				Ops:     []persist.Op{expireOp(r)},
			})
			f.is(res.Touches[0], persist.StatusApplied)
			f.is(res.Ops[0], persist.StatusConflict)
		}},
		{"finds candidates in key order, page by page", func(f *fixture) {
			var want []persist.Ref
			for i := range 40 {
				r := f.record([]string{"ann", "bob", ""}[i%3])
				if i%4 == 0 {
					r.ExpiresAt = now - int64(i)
				}
				if f.create(r); i%4 == 0 {
					want = append(want, r.Ref())
				}
			}
			got := f.expired(now, 3)
			if len(got) != len(want) {
				f.Fatalf("%d candidates, want %d", len(got), len(want))
			}
			for i := range want {
				if got[i] != want[i] {
					f.Fatalf("candidate %d is %v, want %v", i, got[i], want[i])
				}
			}
			if n := len(f.expired(now-second, 3)); n != 0 {
				f.Fatalf("%d candidates a second before", n)
			}
		}},
		{"finds sessions that were last active in the future", func(f *fixture) {
			r, still := f.record("ann"), f.record("ann")
			r.LastActive, r.ExpiresAt = now+1, now+hour
			still.LastActive = now
			f.create(r)
			f.create(still)
			if got := f.expired(now, 3); len(got) != 1 || got[0] != r.Ref() {
				f.Fatalf("%v", got)
			}
		}},
		{"looks at a bounded number of rows per call", func(f *fixture) {
			var ops []persist.Op
			for range 2000 {
				ops = append(ops, createOp(f.record("ann"), persist.Limit{}))
			}
			f.apply(persist.Batch{Ops: ops})
			refs, next, err := f.b.Expired(context.Background(), now, 0, 1)
			if err != nil || len(refs) != 0 || next == 0 {
				f.Fatalf("%d candidates, next %d, error %v: it looked at every row", len(refs), next, err)
			}
			f.expired(now, 100)
		}},
		{"finds nothing in an empty store", func(f *fixture) {
			refs, next, err := f.b.Expired(context.Background(), now, 0, 10)
			if len(refs) != 0 || next != 0 || err != nil {
				f.Fatalf("%v, %d, %v", refs, next, err)
			}
		}},
	}
}

// expired collects all candidates, page by page.
func (f *fixture) expired(at int64, limit int) []persist.Ref {
	f.Helper()
	var all []persist.Ref
	after := int64(0)
	for {
		refs, next, err := f.b.Expired(context.Background(), at, after, limit)
		if err != nil {
			f.Fatalf("Expired: %v", err)
		}
		if len(refs) > limit {
			f.Fatalf("%d candidates in a page of %d", len(refs), limit)
		}
		all = append(all, refs...)
		if next == 0 {
			return all
		}
		if next <= after {
			f.Fatalf("after %d the next page starts at %d", after, next)
		}
		after = next
	}
}
