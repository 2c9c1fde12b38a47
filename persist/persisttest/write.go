package persisttest

import (
	"github.com/sessile/sessile/persist"
)

// writeTo returns a write of {"w":1} that replaces version from with version to.
func writeTo(r *persist.Record, from, to persist.Version) persist.Write {
	return persist.Write{
		Ref: r.Ref(), If: from, Next: to, Data: data(`{"w":1}`), LastActive: now, ExpiresAt: now + 2*hour,
	}
}

func writeContract() []contract {
	return []contract{
		{"replaces data, version and times", func(f *fixture) {
			for _, byID := range []bool{false, true} {
				r := f.create(f.record("ann"))
				w := writeTo(r, r.Version, 77)
				if byID {
					w.Ref.Key = 0
				}
				f.is(f.write(w), persist.StatusApplied)
				r.Data, r.Version, r.LastActive, r.ExpiresAt = []byte(`{"w":1}`), 77, now, now+2*hour
				f.stored(r)
			}
		}},
		{"compares versions for equality only", func(f *fixture) { // D3
			r := f.create(f.record("ann"))
			f.is(f.write(writeTo(r, r.Version, 1<<63)), persist.StatusApplied)
			f.is(f.write(writeTo(r, 1<<63, 3)), persist.StatusApplied)
			if got := f.list("ann")[0].Version; got != 3 {
				f.Fatalf("version %d", got)
			}
		}},
		{"conflicts with another version and returns it", func(f *fixture) { // S44, I5
			r := f.create(f.record("ann"))
			o := f.write(writeTo(r, r.Version+1, r.Version+2))
			f.is(o, persist.StatusConflict)
			if o.Version != r.Version {
				f.Fatalf("version %d, want %d", o.Version, r.Version)
			}
			f.stored(r)
		}},
		{"repeated is applied", func(f *fixture) { // D9
			r := f.create(f.record("ann"))
			w := writeTo(r, r.Version, 77)
			f.is(f.write(w), persist.StatusApplied)
			f.is(f.write(w), persist.StatusApplied)
			r.Data, r.Version, r.LastActive, r.ExpiresAt = []byte(`{"w":1}`), 77, now, now+2*hour
			f.stored(r)
		}},
		{"never inserts", func(f *fixture) { // A1, A2, D3
			r := f.create(f.record("ann"))
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			f.is(f.write(writeTo(r, r.Version, 77)), persist.StatusGone)
			w := writeTo(r, r.Version, 77)
			w.Ref.Key = 0
			f.is(f.write(w), persist.StatusGone)
			f.is(f.write(writeTo(f.record("ann"), 1, 2)), persist.StatusGone)
			f.gone(r)
			if n := len(f.list("ann")); n != 0 {
				f.Fatalf("%d sessions", n)
			}
		}},
		{"moves last active forward only, and the end as given", func(f *fixture) { // S29
			r := f.create(f.record("ann"))
			w := writeTo(r, r.Version, 77)
			w.LastActive, w.ExpiresAt = r.LastActive-hour, now-5
			f.is(f.write(w), persist.StatusApplied)
			r.Data, r.Version, r.ExpiresAt = []byte(`{"w":1}`), 77, now-5
			f.stored(r)
		}},
		{"calls Data at most once", func(f *fixture) {
			r := f.create(f.record("ann"))
			calls := 0
			w := writeTo(r, r.Version, 77)
			w.Data = func() []byte { calls++; return []byte("{}") }
			clash := f.record("bob") // fails, which may make the backend run the batch again
			clash.Hash = r.Hash
			f.apply(persist.Batch{Writes: []persist.Write{w}, Ops: []persist.Op{createOp(nil, persist.Limit{}), createOp(clash, persist.Limit{})}})
			if calls > 1 {
				f.Fatalf("%d calls", calls)
			}
		}},
		{"accepts large data", func(f *fixture) {
			r := f.create(f.record("ann"))
			w := writeTo(r, r.Version, 77)
			w.Data = func() []byte { return make([]byte, 1<<20) }
			f.is(f.write(w), persist.StatusApplied)
			if n := len(f.byHash(r.Hash).Data); n != 1<<20 {
				f.Fatalf("%d bytes", n)
			}
		}},
	}
}

func touchContract() []contract {
	touch := func(r *persist.Record, at int64) persist.Touch {
		return persist.Touch{Ref: r.Ref(), LastActive: at, ExpiresAt: at + hour}
	}
	return []contract{
		{"replaces both times", func(f *fixture) {
			for _, byID := range []bool{false, true} {
				r := f.create(f.record("ann"))
				x := touch(r, now+5)
				if byID {
					x.Ref.Key = 0
				}
				f.is(f.touch(x), persist.StatusApplied)
				r.LastActive, r.ExpiresAt = now+5, now+5+hour
				f.stored(r)
			}
		}},
		{"older than the stored times changes nothing", func(f *fixture) { // S29
			r := f.create(f.record("ann"))
			f.is(f.touch(touch(r, now+5)), persist.StatusApplied)
			f.is(f.touch(touch(r, now+4)), persist.StatusApplied)
			r.LastActive, r.ExpiresAt = now+5, now+5+hour
			f.stored(r)
		}},
		{"of the same age replaces the expiry", func(f *fixture) {
			r := f.create(f.record("ann"))
			x := touch(r, r.LastActive)
			x.ExpiresAt = now + 3
			f.is(f.touch(x), persist.StatusApplied)
			r.ExpiresAt = now + 3
			f.stored(r)
		}},
		{"never inserts", func(f *fixture) { // A2, D3
			r := f.create(f.record("ann"))
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			f.is(f.touch(touch(r, now)), persist.StatusGone)
			x := touch(r, now)
			x.Ref.Key = 0
			f.is(f.touch(x), persist.StatusGone)
			f.is(f.touch(touch(f.record("ann"), now)), persist.StatusGone)
			f.gone(r)
		}},
		{"of a destroyed session changes no other session", func(f *fixture) { // D4
			r := f.create(f.record("ann"))
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			other := f.create(f.record("ann"))
			f.is(f.touch(touch(r, now+5)), persist.StatusGone)
			f.stored(other)
		}},
		{"does not change the version", func(f *fixture) {
			r := f.create(f.record("ann"))
			f.is(f.touch(touch(r, now)), persist.StatusApplied)
			f.is(f.write(writeTo(r, r.Version, 77)), persist.StatusApplied)
		}},
	}
}
