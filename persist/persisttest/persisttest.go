// Package persisttest tests backends. [Run] is the contract of package persist as a test suite.
// [Memory] is the reference backend: the shortest code that keeps the contract. [Hooked] delays,
// fails or changes the calls of a backend.
package persisttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/sessile/sessile/persist"
)

// Times of the suite, in microseconds. Nothing here reads a clock.
const (
	now    = int64(1_800_000_000_000_000)
	second = int64(1_000_000)
	hour   = 3600 * second
)

// Run tests a backend. It has one named test per sentence of the contract, and a random comparison
// with [Memory]. Run calls open once per test. open returns an empty store that nobody else uses,
// and closes it with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) persist.Backend) {
	t.Helper()
	for _, g := range []struct {
		name  string
		cases []contract
	}{
		{"create", createContract()},
		{"limit", limitContract()},
		{"replace", replaceContract()},
		{"rotate", rotateContract()},
		{"write", writeContract()},
		{"touch", touchContract()},
		{"retime", retimeContract()},
		{"destroy", destroyContract()},
		{"a piece of a logout", pieceContract()},
		{"expire", expireContract()},
		{"batch", batchContract()},
		{"read", readContract()},
		{"search", searchContract()},
		{"traits", traitsContract()},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) { c.test(&fixture{T: t, b: open(t)}) })
			}
		})
	}
	t.Run("model", func(t *testing.T) { runModel(t, open) })
}

// contract is one sentence of the contract with its test.
type contract struct {
	name string
	test func(*fixture)
}

// fixture is a test with its own backend.
type fixture struct {
	*testing.T
	b persist.Backend
	n uint64
}

// next returns a number that this fixture has not used yet.
func (f *fixture) next() uint64 {
	f.n++
	return f.n
}

func idOf(n uint64) (id persist.ID) {
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

func hashOf(n uint64) persist.Hash {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
}

// newHash returns a hash that no session has.
func (f *fixture) newHash() persist.Hash { return hashOf(f.next()) }

// record returns a new session of a user, for one hour. Later records have higher IDs.
func (f *fixture) record(user string) *persist.Record {
	n := f.next()
	return &persist.Record{
		Identity: &persist.Identity{
			ID: idOf(n), UserID: user, IPAddress: "192.0.2.1", UserAgent: "Mozilla/5.0 (test)",
			DeviceName: "Firefox on Linux", DeviceType: "desktop", Fingerprint: "1:abc",
			CreatedAt: now - second, Deadline: now + 24*hour, TTL: hour,
		},
		Hash: hashOf(n), Version: persist.Version(n), Data: []byte(`{"n":1}`),
		LastActive: now - second, ExpiresAt: now + hour,
	}
}

// apply commits a batch and checks that the result matches it item by item.
func (f *fixture) apply(b persist.Batch) persist.Result {
	f.Helper()
	if b.Now == 0 {
		b.Now = now
	}
	res, err := f.b.Apply(context.Background(), &b)
	if err != nil {
		f.Fatalf("Apply: %v", err)
	}
	if len(res.Ops) != len(b.Ops) || len(res.Writes) != len(b.Writes) || len(res.Touches) != len(b.Touches) {
		f.Fatalf("%d, %d, %d outcomes for %d ops, %d writes, %d touches",
			len(res.Ops), len(res.Writes), len(res.Touches), len(b.Ops), len(b.Writes), len(b.Touches))
	}
	for _, o := range slices.Concat(res.Ops, res.Writes, res.Touches) {
		if o.Status < persist.StatusApplied || o.Status > persist.StatusFailed {
			f.Fatalf("an outcome has status %d", o.Status)
		}
		if (o.Status == persist.StatusFailed) != (o.Err != nil) {
			f.Fatalf("status %d with error %v", o.Status, o.Err)
		}
	}
	return res
}

// op commits one operation.
func (f *fixture) op(op persist.Op) persist.Outcome {
	f.Helper()
	return f.apply(persist.Batch{Ops: []persist.Op{op}}).Ops[0]
}

func (f *fixture) write(w persist.Write) persist.Outcome {
	f.Helper()
	return f.apply(persist.Batch{Writes: []persist.Write{w}}).Writes[0]
}

func (f *fixture) touch(t persist.Touch) persist.Outcome {
	f.Helper()
	return f.apply(persist.Batch{Touches: []persist.Touch{t}}).Touches[0]
}

func createOp(r *persist.Record, l persist.Limit) persist.Op {
	return persist.Op{Kind: persist.OpCreate, Record: r, Limit: l}
}

// create stores a session without a limit and records its key in r.
func (f *fixture) create(r *persist.Record) *persist.Record {
	f.Helper()
	o := f.op(createOp(r, persist.Limit{}))
	f.is(o, persist.StatusApplied)
	r.Key = o.Key
	return r
}

func destroyOp(id persist.ID) persist.Op {
	return persist.Op{Kind: persist.OpDestroy, Ref: persist.Ref{ID: id}}
}

// is checks a status.
func (f *fixture) is(o persist.Outcome, want persist.Status) {
	f.Helper()
	if o.Status != want {
		f.Fatalf("status %s, want %s (error: %v)", statusName(o.Status), statusName(want), o.Err)
	}
}

func statusName(s persist.Status) string {
	names := []string{"none", "Applied", "Gone", "Conflict", "Full", "Failed"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// removed checks which sessions an operation ended, in any order.
func (f *fixture) removed(o persist.Outcome, want ...*persist.Record) {
	f.Helper()
	got := map[persist.ID]persist.Removed{}
	for _, x := range o.Removed {
		got[x.ID] = x
	}
	if len(got) != len(want) || len(o.Removed) != len(want) {
		f.Fatalf("%d sessions were removed, want %d", len(o.Removed), len(want))
	}
	for _, r := range want {
		if x := (persist.Removed{ID: r.ID, Hash: r.Hash, UserID: r.UserID}); got[r.ID] != x {
			f.Fatalf("removed %+v, want %+v", got[r.ID], x)
		}
	}
}

// stored checks that a session is stored exactly as r.
func (f *fixture) stored(r *persist.Record) {
	f.Helper()
	got, err := f.b.ByID(context.Background(), r.ID)
	if err != nil {
		f.Fatalf("ByID: %v", err)
	}
	f.same(got, *r)
	got, err = f.b.ByHash(context.Background(), persist.TokenKey{Tag: r.ID.Tag(), Hash: r.Hash})
	if err != nil {
		f.Fatalf("ByHash: %v", err)
	}
	f.same(got, *r)
}

// gone checks that no method finds a session.
func (f *fixture) gone(r *persist.Record) {
	f.Helper()
	if _, err := f.b.ByID(context.Background(), r.ID); !errors.Is(err, persist.ErrNotFound) {
		f.Fatalf("ByID: %v, want not found", err)
	}
	f.noHash(r.Hash)
	for _, x := range f.list(r.UserID) {
		if x.ID == r.ID {
			f.Fatal("it is in the list of its user")
		}
	}
}

func (f *fixture) noHash(h persist.Hash) {
	f.Helper()
	if _, err := f.b.ByHash(context.Background(), persist.TokenKey{Hash: h}); !errors.Is(err, persist.ErrNotFound) {
		f.Fatalf("ByHash: %v, want not found", err)
	}
}

func (f *fixture) list(user string) []persist.Record {
	f.Helper()
	l, err := f.b.ByUser(context.Background(), persist.UserKey{ID: user})
	if err != nil {
		f.Fatalf("ByUser: %v", err)
	}
	if l.Unreadable != 0 {
		f.Fatalf("%d rows are unreadable", l.Unreadable)
	}
	return l.Records
}

// same compares every field of two records.
func (f *fixture) same(got, want persist.Record) {
	f.Helper()
	if why := difference(got, want); why != "" {
		f.Fatal(why)
	}
}

// difference returns the first difference between two records, or "".
func difference(got, want persist.Record) string {
	switch {
	case got.Identity == nil:
		return "it has no identity"
	case *got.Identity != *want.Identity:
		return "it has another identity"
	case (got.Rotation == nil) != (want.Rotation == nil):
		return "only one of them was rotated"
	case got.Rotation != nil && *got.Rotation != *want.Rotation:
		return "it has another rotation"
	case got.Hash != want.Hash:
		return "it has another token hash"
	case got.Version != want.Version:
		return "it has another version"
	case !bytes.Equal(got.Data, want.Data):
		return "it has other data"
	case got.LastActive != want.LastActive:
		return "it was last active at another time"
	case got.ExpiresAt != want.ExpiresAt:
		return "it expires at another time"
	case got.AuthAt != want.AuthAt:
		return "its user has authenticated at another time"
	}
	return ""
}
