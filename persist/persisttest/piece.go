package persisttest

import "github.com/sessile/sessile/persist"

// piece is one piece of logging out ann: the n greatest keys up to through.
func piece(n int, through int64, except persist.ID) persist.Op {
	return persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}, Max: n, Through: through, Except: except}
}

// anns creates n sessions of ann, with sessions of others between them.
func (f *fixture) anns(n int) []*persist.Record {
	f.Helper()
	var l []*persist.Record
	for range n {
		l = append(l, f.create(f.record("ann")))
		f.create(f.record("bob"))
	}
	return l
}

func pieceContract() []contract {
	return []contract{
		{"deletes the greatest keys and returns where to continue", func(f *fixture) {
			l := f.anns(5)
			o := f.op(piece(2, 0, persist.ID{}))
			f.is(o, persist.StatusApplied)
			f.removed(o, l[3], l[4])
			f.through(o, l[2].Key)
			f.stored(l[2])
			o = f.op(piece(2, o.Through, persist.ID{}))
			f.removed(o, l[1], l[2])
			f.through(o, l[0].Key)
			o = f.op(piece(2, o.Through, persist.ID{}))
			f.removed(o, l[0])
			f.through(o, 0)
			if n := len(f.list("bob")); n != 5 {
				f.Fatalf("%d sessions of another user", n)
			}
		}},
		{"that deletes the last session reports none left", func(f *fixture) {
			l := f.anns(2)
			o := f.op(piece(2, 0, persist.ID{}))
			f.removed(o, l...)
			f.through(o, 0)
		}},
		{"keeps sessions that were created after the first piece", func(f *fixture) {
			l := f.anns(3)
			o := f.op(piece(1, 0, persist.ID{}))
			later := f.create(f.record("ann"))
			o = f.op(piece(1, o.Through, persist.ID{}))
			f.removed(o, l[1])
			f.through(o, l[0].Key)
			o = f.op(piece(9, o.Through, persist.ID{}))
			f.removed(o, l[0])
			f.through(o, 0)
			f.stored(later)
		}},
		{"keeps the excepted session, whatever its key", func(f *fixture) {
			for keep := range 3 {
				l := f.anns(3)
				var gone []persist.ID
				o := persist.Outcome{}
				for more := true; more; more = o.Through != 0 {
					o = f.op(piece(1, o.Through, l[keep].ID))
					f.is(o, persist.StatusApplied)
					for _, x := range o.Removed {
						gone = append(gone, x.ID)
					}
				}
				if len(gone) != 2 {
					f.Fatalf("%d sessions were removed, want 2", len(gone))
				}
				f.stored(l[keep])
				f.is(f.op(destroyOp(l[keep].ID)), persist.StatusApplied)
			}
		}},
		{"reports none left if only the excepted session remains", func(f *fixture) {
			l := f.anns(2)
			o := f.op(piece(1, 0, l[0].ID))
			f.removed(o, l[1])
			f.through(o, 0)
		}},
		{"repeated continues", func(f *fixture) {
			l := f.anns(5)
			first := f.op(piece(1, 0, persist.ID{}))
			f.op(piece(2, first.Through, persist.ID{}))
			o := f.op(piece(2, first.Through, persist.ID{}))
			f.removed(o, l[0], l[1])
			f.through(o, 0)
			o = f.op(piece(2, first.Through, persist.ID{}))
			f.is(o, persist.StatusApplied)
			f.removed(o)
			f.through(o, 0)
		}},
		{"has its own bounds in a batch of several", func(f *fixture) {
			l := f.anns(3)
			res := f.apply(persist.Batch{Ops: []persist.Op{
				piece(1, 0, persist.ID{}), piece(1, l[0].Key, persist.ID{}), piece(0, 0, persist.ID{}),
			}})
			for i, want := range []*persist.Record{l[2], l[0], l[1]} {
				f.removed(res.Ops[i], want)
			}
			f.through(res.Ops[0], l[1].Key)
			f.through(res.Ops[1], 0)
		}},
		{"without Max deletes all up to its key", func(f *fixture) {
			l := f.anns(4)
			o := f.op(piece(0, l[2].Key, persist.ID{}))
			f.removed(o, l[:3]...)
			f.through(o, 0)
			f.stored(l[3])
		}},
		{"below every key deletes nothing", func(f *fixture) {
			f.create(f.record("bob")) // otherwise the bound could be 0, which means no bound
			l := f.anns(2)
			o := f.op(piece(5, l[0].Key-1, persist.ID{}))
			f.is(o, persist.StatusApplied)
			f.removed(o)
			f.through(o, 0)
			f.stored(l[0])
		}},
		{"with negative bounds fails and deletes nothing", func(f *fixture) {
			l := f.anns(2)
			f.is(f.op(piece(-1, 0, persist.ID{})), persist.StatusFailed)
			f.is(f.op(piece(0, -1, persist.ID{})), persist.StatusFailed)
			f.stored(l[0])
			f.stored(l[1])
		}},
		{"of no user deletes no guest", func(f *fixture) {
			guest := f.create(f.record(""))
			o := f.op(persist.Op{Kind: persist.OpDestroyUser, Max: 1})
			f.removed(o)
			f.through(o, 0)
			f.stored(guest)
		}},
	}
}

// through checks the key at which an operation continues.
func (f *fixture) through(o persist.Outcome, want int64) {
	f.Helper()
	if o.Through != want {
		f.Fatalf("it continues at key %d, want %d", o.Through, want)
	}
}
