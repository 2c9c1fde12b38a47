package persisttest

import "github.com/sessile/sessile/persist"

// future returns a session with every time in the future, as if a clock had been a day ahead.
func (f *fixture) future() *persist.Record {
	r := f.record("ann")
	r.CreatedAt, r.Deadline, r.AuthAt = now+24*hour, now+72*hour, now+25*hour
	r.LastActive, r.ExpiresAt = now+26*hour, now+27*hour
	r.Rotation = &persist.Rotation{Previous: f.newHash(), At: now + 25*hour, Until: now + 26*hour}
	return f.create(r)
}

func retimeContract() []contract {
	back := &persist.Retime{CreatedAt: now, Deadline: now + 48*hour, AuthAt: persist.Unproven, RotatedAt: now, Until: now + second}
	takenBack := func(r *persist.Record) {
		r.CreatedAt, r.Deadline, r.AuthAt = back.CreatedAt, back.Deadline, back.AuthAt
		r.LastActive, r.ExpiresAt = now+1, now+hour
		r.At, r.Until = back.RotatedAt, back.Until
	}
	return []contract{
		{"of a touch corrects every time", func(f *fixture) {
			for _, byID := range []bool{false, true} {
				r, other := f.future(), f.future()
				x := persist.Touch{Ref: r.Ref(), Retime: back, LastActive: now + 1, ExpiresAt: now + hour}
				if byID {
					x.Ref.Key = 0
				}
				f.is(f.touch(x), persist.StatusApplied)
				f.is(f.touch(x), persist.StatusApplied)
				takenBack(r)
				f.stored(r)
				f.stored(other)
			}
		}},
		{"of a write corrects every time", func(f *fixture) {
			r := f.future()
			w := writeTo(r, r.Version, 77)
			w.Retime, w.LastActive, w.ExpiresAt = back, now+1, now+hour
			f.is(f.write(w), persist.StatusApplied)
			takenBack(r)
			r.Version, r.Data = 77, w.Data()
			f.stored(r)
		}},
		{"of a write that conflicts changes nothing", func(f *fixture) {
			r := f.future()
			w := writeTo(r, r.Version+1, 77)
			w.Retime = back
			f.is(f.write(w), persist.StatusConflict)
			f.stored(r)
		}},
		{"leaves no expiry after the deadline", func(f *fixture) { // I6
			r := f.future()
			x := persist.Touch{Ref: r.Ref(), Retime: back, LastActive: now + 1, ExpiresAt: now + 100*hour}
			f.is(f.touch(x), persist.StatusApplied)
			takenBack(r)
			r.ExpiresAt = r.Deadline
			f.stored(r)
		}},
		{"never raises the times of a rotation, and keeps Until Unseen", func(f *fixture) { // S24
			r := f.future()
			r2 := f.record("ann")
			r2.Rotation = &persist.Rotation{Previous: f.newHash(), At: now - 5, Until: persist.Unseen}
			f.create(r2)
			late := *back
			late.RotatedAt, late.Until = now+30*hour, now+30*hour
			for _, x := range []*persist.Record{r, r2} {
				f.is(f.touch(persist.Touch{Ref: x.Ref(), Retime: &late, LastActive: now + 1, ExpiresAt: now + hour}), persist.StatusApplied)
				got := f.byHash(x.Hash)
				if *got.Rotation != *x.Rotation {
					f.Fatalf("%+v, want %+v", got.Rotation, x.Rotation)
				}
			}
		}},
		{"leaves a never-rotated session without a rotation", func(f *fixture) {
			r := f.create(f.record("ann"))
			f.is(f.touch(persist.Touch{Ref: r.Ref(), Retime: back, LastActive: now + 1, ExpiresAt: now + hour}), persist.StatusApplied)
			r.CreatedAt, r.Deadline, r.AuthAt = back.CreatedAt, back.Deadline, back.AuthAt
			r.LastActive, r.ExpiresAt = now+1, now+hour
			f.stored(r)
		}},
		{"never inserts", func(f *fixture) { // A2, D3
			r := f.future()
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			for _, key := range []int64{r.Key, 0} {
				ref := persist.Ref{ID: r.ID, Key: key}
				f.is(f.touch(persist.Touch{Ref: ref, Retime: back, LastActive: now, ExpiresAt: now + hour}), persist.StatusGone)
			}
			f.gone(r)
		}},
	}
}

// clockContract checks that the time of the latest commit is stored to within a second.
func clockContract() contract {
	return contract{"return the latest Batch.Now to within a second", func(f *fixture) {
		latest := int64(0)
		for _, at := range []int64{now, now + 100, now + 2*second, now + second, now + 2*second + second/2, now + hour, now} {
			f.apply(persist.Batch{Now: at, Ops: []persist.Op{createOp(f.record("ann"), persist.Limit{})}})
			latest = max(latest, at)
			if got := f.b.Traits().Clock; got > latest || got < latest-second {
				f.Fatalf("%d, and the latest batch was of %d", got, latest)
			}
		}
	}}
}
