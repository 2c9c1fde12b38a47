package persisttest

import (
	"context"
	"math"
	"strings"

	"github.com/sessile/sessile/persist"
)

func createContract() []contract {
	return []contract{
		{"stores every field", func(f *fixture) {
			r := f.record("ann")
			f.stored(f.create(r))
			f.stored(f.create(f.record("ann")))
			f.stored(f.create(f.record("")))
		}},
		{"stores a session without data, names or deadline", func(f *fixture) {
			r := f.record("ann")
			*r.Identity = persist.Identity{ID: r.ID, UserID: "ann", Deadline: persist.NoDeadline}
			r.Data, r.Version = []byte{}, math.MaxUint64
			r.ExpiresAt = persist.NoDeadline
			f.stored(f.create(r))
		}},
		{"stores a session that was rotated before", func(f *fixture) {
			r := f.record("ann")
			r.Rotation, r.AuthAt = &persist.Rotation{Previous: f.newHash(), Until: persist.Unseen, At: now - 5}, now-9
			r.Flags = persist.DefaultTTL | persist.DefaultLifetime
			f.stored(f.create(r))
		}},
		{"stores every flag", func(f *fixture) {
			for bit := range 8 {
				r := f.record("ann")
				r.Flags = 1 << bit
				f.stored(f.create(r))
			}
			r := f.record("ann")
			r.Flags = 0xff
			f.stored(f.create(r))
		}},
		{"stores any text unchanged", func(f *fixture) {
			for _, user := range []string{
				"ünïcödé 用户 🙂", `quote ' " ; -- DROP TABLE session`, "../../etc/passwd", " space ", "%_?",
				strings.Repeat("long ", 200),
			} {
				r := f.record(user)
				r.UserAgent, r.DeviceName, r.IPAddress = user, user, user
				f.stored(f.create(r))
				if l := f.list(user); len(l) != 1 || l[0].UserID != user {
					f.Fatalf("user %q has %d sessions", user, len(l))
				}
			}
		}},
		{"stores a user ID with NUL unchanged, or fails only that item", func(f *fixture) {
			ann, r := f.create(f.record("nul")), f.record("nul\x00inside")
			res := f.apply(persist.Batch{Ops: []persist.Op{createOp(r, persist.Limit{Max: 1}), createOp(f.record("bob"), persist.Limit{})}})
			f.is(res.Ops[1], persist.StatusApplied)
			if r.Key = res.Ops[0].Key; res.Ops[0].Status == persist.StatusApplied {
				f.stored(r)
				f.removed(f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: r.UserID}}), r)
			} else {
				f.is(res.Ops[0], persist.StatusFailed)
				f.gone(r)
				f.removed(f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: r.UserID}}))
			}
			f.stored(ann)
		}},
		{"stores any bytes as data", func(f *fixture) {
			r := f.record("ann")
			r.Data = []byte("\x00\xff{}'\n" + strings.Repeat("x", 100_000))
			f.stored(f.create(r))
		}},
		{"gives every session a unique key", func(f *fixture) {
			seen := map[int64]bool{0: true}
			for range 5 {
				r := f.create(f.record("ann"))
				if seen[r.Key] {
					f.Fatalf("key %d again", r.Key)
				}
				seen[r.Key] = true
				f.is(f.op(destroyOp(r.ID)), persist.StatusApplied) // a key is never reused
			}
		}},
		{"applied again changes nothing", func(f *fixture) {
			r := f.create(f.record("ann"))
			f.is(f.touch(persist.Touch{Ref: r.Ref(), LastActive: now, ExpiresAt: now + 2*hour}), persist.StatusApplied)
			r.LastActive, r.ExpiresAt = now, now+2*hour
			other := f.create(f.record("ann"))
			again := clone(r)
			again.Key, again.Data, again.LastActive = 0, []byte("{}"), now-hour
			o := f.op(createOp(&again, persist.Limit{Max: 1}))
			f.is(o, persist.StatusApplied)
			f.removed(o)
			if o.Key != r.Key {
				f.Fatalf("key %d, want %d", o.Key, r.Key)
			}
			f.stored(r)
			f.stored(other)
		}},
		{"applied twice in one batch is applied once", func(f *fixture) { // D9
			r := f.record("ann")
			res := f.apply(persist.Batch{Ops: []persist.Op{createOp(r, persist.Limit{}), createOp(r, persist.Limit{})}})
			f.is(res.Ops[0], persist.StatusApplied)
			f.is(res.Ops[1], persist.StatusApplied)
			if res.Ops[0].Key != res.Ops[1].Key || len(f.list("ann")) != 1 {
				f.Fatal("there are two")
			}
		}},
		{"refuses the ID of another session", func(f *fixture) { // A30, S23
			victim := f.create(f.record("ann"))
			r := f.record("bob")
			r.ID = victim.ID
			f.is(f.op(createOp(r, persist.Limit{Max: 1})), persist.StatusConflict)
			f.stored(victim)
			f.noHash(r.Hash)
		}},
		{"refuses the hash of another session", func(f *fixture) { // A30, S23
			victim := f.create(f.record("ann"))
			bob := f.create(f.record("bob"))
			r := f.record("bob")
			r.Hash = victim.Hash
			o := f.op(createOp(r, persist.Limit{Max: 1}))
			f.is(o, persist.StatusConflict)
			f.removed(o)
			f.stored(victim)
			f.stored(bob)
			if _, err := f.b.ByID(context.Background(), r.ID); err == nil {
				f.Fatal("the refused session was stored")
			}
		}},
		{"refuses the previous hash of another session", func(f *fixture) { // I2
			victim := f.create(f.record("ann"))
			old := victim.Hash
			f.is(f.op(persist.Op{Kind: persist.OpRotate, Ref: victim.Ref(), From: old, To: f.newHash()}), persist.StatusApplied)
			r := f.record("bob")
			r.Hash = old
			f.is(f.op(createOp(r, persist.Limit{})), persist.StatusConflict)
		}},
		{"fails only the item with an invalid record", func(f *fixture) {
			good, zero := f.record("ann"), f.record("ann")
			zero.ID = persist.ID{}
			res := f.apply(persist.Batch{Ops: []persist.Op{
				createOp(nil, persist.Limit{}), createOp(zero, persist.Limit{}), createOp(good, persist.Limit{}), {Kind: 99},
			}})
			f.is(res.Ops[0], persist.StatusFailed)
			f.is(res.Ops[1], persist.StatusFailed)
			f.is(res.Ops[2], persist.StatusApplied)
			f.is(res.Ops[3], persist.StatusFailed)
			good.Key = res.Ops[2].Key
			f.stored(good)
		}},
		{"never expires after the deadline", func(f *fixture) { // I6, S27
			r := f.record("ann")
			r.ExpiresAt = r.Deadline + 1
			f.create(r)
			r.ExpiresAt = r.Deadline
			f.stored(r)
			f.is(f.touch(persist.Touch{Ref: r.Ref(), LastActive: now, ExpiresAt: r.Deadline + hour}), persist.StatusApplied)
			r.LastActive = now
			f.stored(r)
			next := r.Version + 1
			f.is(f.write(persist.Write{
				Ref: r.Ref(), If: r.Version, Next: next, Data: data("{}"), LastActive: now, ExpiresAt: persist.NoDeadline,
			}), persist.StatusApplied)
			r.Version, r.Data = next, []byte("{}")
			f.stored(r)
		}},
	}
}

func data(s string) func() []byte { return func() []byte { return []byte(s) } }
