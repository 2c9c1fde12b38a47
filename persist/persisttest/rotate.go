package persisttest

import (
	"context"

	"github.com/sessile/sessile/persist"
)

func rotateOp(r *persist.Record, to persist.Hash) persist.Op {
	return persist.Op{Kind: persist.OpRotate, Ref: r.Ref(), From: r.Hash, To: to}
}

func (f *fixture) byHash(h persist.Hash) persist.Record {
	f.Helper()
	r, err := f.b.ByHash(context.Background(), persist.TokenKey{Hash: h})
	if err != nil {
		f.Fatalf("ByHash: %v", err)
	}
	return r
}

func rotateContract() []contract {
	return []contract{
		{"replaces the hash and remembers the one before", func(f *fixture) { // S20
			r := f.create(f.record("ann"))
			from, to := r.Hash, f.newHash()
			op := rotateOp(r, to)
			op.Until, op.AuthAt = now+30*second, now-5
			f.is(f.op(op), persist.StatusApplied)
			r.Hash = to
			r.Rotation, r.AuthAt = &persist.Rotation{Previous: from, Until: now + 30*second, At: now}, now-5
			f.stored(r)
			f.same(f.byHash(from), *r)
		}},
		{"finds the session by its last two hashes only", func(f *fixture) { // I2
			r := f.create(f.record("ann"))
			first, second, third := r.Hash, f.newHash(), f.newHash()
			f.is(f.op(rotateOp(r, second)), persist.StatusApplied)
			r.Hash = second
			f.is(f.op(rotateOp(r, third)), persist.StatusApplied)
			f.noHash(first)
			if f.byHash(second).Hash != third || f.byHash(third).Hash != third {
				f.Fatal("it has another hash")
			}
		}},
		{"keeps AuthAt without a new one", func(f *fixture) {
			r := f.create(f.record("ann"))
			op := rotateOp(r, f.newHash())
			op.AuthAt = now - 7
			f.is(f.op(op), persist.StatusApplied)
			r.Hash = op.To
			f.is(f.op(rotateOp(r, f.newHash())), persist.StatusApplied)
			if got := f.byHash(r.Hash).AuthAt; got != now-7 {
				f.Fatalf("AuthAt is %d", got)
			}
		}},
		{"applied again changes nothing", func(f *fixture) { // D9
			r := f.create(f.record("ann"))
			op := rotateOp(r, f.newHash())
			op.Until, op.AuthAt = 5, 6
			f.is(f.op(op), persist.StatusApplied)
			want := f.byHash(op.To)
			op.Until, op.AuthAt = 7, 8
			res := f.apply(persist.Batch{Now: now + 9, Ops: []persist.Op{op}})
			f.is(res.Ops[0], persist.StatusApplied)
			f.same(f.byHash(op.To), want)
		}},
		{"has one winner", func(f *fixture) { // A25, S21
			r := f.create(f.record("ann"))
			winner, loser := rotateOp(r, f.newHash()), rotateOp(r, f.newHash())
			res := f.apply(persist.Batch{Ops: []persist.Op{winner, loser}})
			f.is(res.Ops[0], persist.StatusApplied)
			f.is(res.Ops[1], persist.StatusConflict)
			f.is(f.op(loser), persist.StatusConflict)
			f.noHash(loser.To)
			if f.byHash(r.Hash).Hash != winner.To {
				f.Fatal("both rotations were applied")
			}
		}},
		{"refuses a hash that is or was in use", func(f *fixture) { // A30
			victim, r := f.create(f.record("ann")), f.create(f.record("bob"))
			f.is(f.op(rotateOp(r, victim.Hash)), persist.StatusConflict)
			f.stored(victim)
			f.stored(r)
			op := rotateOp(victim, f.newHash())
			f.is(f.op(op), persist.StatusApplied)
			f.is(f.op(rotateOp(r, op.From)), persist.StatusConflict)
			f.stored(r)
			victim.Hash = op.To
			f.is(f.op(rotateOp(victim, op.From)), persist.StatusConflict) // its own earlier hash
		}},
		{"is gone with its session", func(f *fixture) {
			r := f.create(f.record("ann"))
			op := rotateOp(r, f.newHash())
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			f.is(f.op(op), persist.StatusGone)
			f.noHash(op.From)
			f.noHash(op.To)
		}},
		{"does not change data, times or version", func(f *fixture) {
			r := f.create(f.record("ann"))
			op := rotateOp(r, f.newHash())
			f.is(f.op(op), persist.StatusApplied)
			got := f.byHash(op.To)
			if got.Version != r.Version || got.ExpiresAt != r.ExpiresAt || got.LastActive != r.LastActive || got.Deadline != r.Deadline {
				f.Fatal("something else changed")
			}
		}},
		{"seen only ever shortens the grace", func(f *fixture) { // S24
			r := f.create(f.record("ann"))
			op := rotateOp(r, f.newHash())
			op.Until = persist.Unseen
			f.is(f.op(op), persist.StatusApplied)
			seen := persist.Op{Kind: persist.OpSeen, Ref: r.Ref(), To: op.To, Until: now + 30*second}
			f.is(f.op(seen), persist.StatusApplied)
			if got := f.byHash(op.To).Until; got != now+30*second {
				f.Fatalf("Until is %d", got)
			}
			seen.Until = now + 60*second
			f.is(f.op(seen), persist.StatusApplied)
			seen.To, seen.Until = op.From, now
			f.is(f.op(seen), persist.StatusApplied) // not the current hash
			if got := f.byHash(op.To).Until; got != now+30*second {
				f.Fatalf("Until is %d", got)
			}
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			f.is(f.op(seen), persist.StatusGone)
		}},
		{"replaces a successor that was never seen", func(f *fixture) {
			r := f.create(f.record("ann"))
			first := rotateOp(r, f.newHash())
			first.Until, first.AuthAt = persist.Unseen, now-5
			f.is(f.op(first), persist.StatusApplied)
			again := rotateOp(r, f.newHash())
			again.Lost, again.Until = first.To, persist.Unseen
			f.is(f.apply(persist.Batch{Now: now + 60*second, Ops: []persist.Op{again}}).Ops[0], persist.StatusApplied)
			f.noHash(first.To)
			r.Rotation = &persist.Rotation{Previous: r.Hash, Until: persist.Unseen, At: now + 60*second}
			r.Hash, r.AuthAt = again.To, now-5
			f.stored(r)
			f.same(f.byHash(r.Previous), *r)
			f.is(f.apply(persist.Batch{Now: now + 90*second, Ops: []persist.Op{again}}).Ops[0], persist.StatusApplied) // repeated: no effect
			f.stored(r)
		}},
		{"replaces no successor that was seen or is not current", func(f *fixture) {
			r := f.create(f.record("ann"))
			first := rotateOp(r, f.newHash())
			first.Until = persist.Unseen
			f.is(f.op(first), persist.StatusApplied)
			lost := func(from, lost persist.Hash) persist.Op {
				return persist.Op{Kind: persist.OpRotate, Ref: r.Ref(), From: from, To: f.newHash(), Lost: lost, Until: persist.Unseen}
			}
			f.is(f.op(lost(r.Hash, f.newHash())), persist.StatusConflict)
			f.is(f.op(lost(f.newHash(), first.To)), persist.StatusConflict)
			winner, loser := lost(r.Hash, first.To), lost(r.Hash, first.To) // parallel requests
			res := f.apply(persist.Batch{Ops: []persist.Op{winner, loser}})
			f.is(res.Ops[0], persist.StatusApplied)
			f.is(res.Ops[1], persist.StatusConflict)
			f.noHash(loser.To)
			f.is(f.op(persist.Op{Kind: persist.OpSeen, Ref: r.Ref(), To: winner.To, Until: now + 30*second}), persist.StatusApplied)
			late := lost(r.Hash, winner.To)
			f.is(f.op(late), persist.StatusConflict)
			f.noHash(late.To)
			if f.byHash(winner.To).Hash != winner.To || f.byHash(r.Hash).Hash != winner.To {
				f.Fatal("the winner is not the token")
			}
			never := f.create(f.record("bob"))
			f.is(f.op(persist.Op{Kind: persist.OpRotate, Ref: never.Ref(), From: persist.Hash{}, To: f.newHash(), Lost: never.Hash}), persist.StatusConflict)
			f.stored(never)
		}},
		{"a lost successor is not replaced by a token that was in use", func(f *fixture) { // A30
			victim, r := f.create(f.record("ann")), f.create(f.record("bob"))
			first := rotateOp(r, f.newHash())
			first.Until = persist.Unseen
			f.is(f.op(first), persist.StatusApplied)
			for _, to := range []persist.Hash{victim.Hash, r.Hash} {
				f.is(f.op(persist.Op{Kind: persist.OpRotate, Ref: r.Ref(), From: r.Hash, To: to, Lost: first.To}), persist.StatusConflict)
			}
			f.stored(victim)
		}},
		{"seen does not change a never-rotated session", func(f *fixture) {
			r := f.create(f.record("ann"))
			f.is(f.op(persist.Op{Kind: persist.OpSeen, Ref: r.Ref(), To: r.Hash, Until: -1}), persist.StatusApplied)
			f.stored(r)
		}},
		{"works with the ID alone", func(f *fixture) {
			r := f.create(f.record("ann"))
			op := rotateOp(r, f.newHash())
			op.Ref.Key = 0
			f.is(f.op(op), persist.StatusApplied)
			f.is(f.op(persist.Op{Kind: persist.OpSeen, Ref: op.Ref, To: op.To}), persist.StatusApplied)
		}},
	}
}
