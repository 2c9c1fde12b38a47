package persisttest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sessile/sessile/persist"
)

// runModel applies random batches to the backend and to [Memory]. It compares every outcome and
// everything that is stored.
func runModel(t *testing.T, open func(t *testing.T) persist.Backend) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{T: rt, got: open(t), want: NewMemory(), keys: map[persist.ID]int64{}, wantKeys: map[int64]int64{}, born: map[persist.ID]int{}, now: now}
		defer func() { _ = m.got.Close() }()
		for range rapid.IntRange(1, 15).Draw(rt, "batches") {
			m.now += rapid.Int64Range(0, hour/2).Draw(rt, "pause")
			m.step()
			if rapid.IntRange(0, 3).Draw(rt, "compare") == 0 {
				m.compare()
			}
		}
		m.compare()
	})
}

// model is a backend together with its reference.
type model struct {
	*rapid.T
	got      persist.Backend
	want     *Memory
	keys     map[persist.ID]int64 // keys of the backend, including those of deleted sessions
	wantKeys map[int64]int64      // keys of want, by those of got
	ids      []persist.ID         // every session that ever existed
	born     map[persist.ID]int   // how often an ID was created; after a second time its key is unknown
	last     []persist.Hash       // all hashes so far
	now      int64
	n        uint64
}

var users = []string{"ann", "bob", ""}

// step applies one batch to both.
func (m *model) step() {
	got := m.batch()
	want := persist.Batch{Now: got.Now}
	for _, w := range got.Writes {
		w.Ref.Key = 0
		want.Writes = append(want.Writes, w)
	}
	for _, x := range got.Touches {
		x.Ref.Key = 0
		want.Touches = append(want.Touches, x)
	}
	for _, op := range got.Ops {
		op.Ref.Key, op.Through = 0, m.wantKeys[op.Through]
		want.Ops = append(want.Ops, op)
	}
	a, err := m.got.Apply(context.Background(), &got)
	if err != nil {
		m.Fatalf("Apply: %v", err)
	}
	b, err := m.want.Apply(context.Background(), &want)
	if err != nil {
		m.Fatalf("Apply of the model: %v", err)
	}
	m.outcomes("write", a.Writes, b.Writes)
	m.outcomes("touch", a.Touches, b.Touches)
	for i := range min(len(a.Ops), len(b.Ops)) { // a later piece of the same batch may continue at one of these
		if r := got.Ops[i].Record; r != nil && a.Ops[i].Status == persist.StatusApplied {
			m.keys[r.ID], m.wantKeys[a.Ops[i].Key] = a.Ops[i].Key, b.Ops[i].Key
		}
	}
	m.outcomes("operation", a.Ops, b.Ops)
}

func (m *model) outcomes(what string, got, want []persist.Outcome) {
	if len(got) != len(want) {
		m.Fatalf("%d %s outcomes, want %d", len(got), what, len(want))
	}
	for i, g := range got {
		w := want[i]
		if g.Status != w.Status || g.Version != w.Version {
			m.Fatalf("%s %d: %s, version %d; want %s, version %d (error: %v)",
				what, i, statusName(g.Status), g.Version, statusName(w.Status), w.Version, g.Err)
		}
		if m.wantKeys[g.Through] != w.Through {
			m.Fatalf("%s %d goes on at %d, want %d", what, i, m.wantKeys[g.Through], w.Through)
		}
		if a, b := removedSet(g.Removed), removedSet(w.Removed); !slices.Equal(a, b) {
			m.Fatalf("%s %d removed %v, want %v", what, i, a, b)
		}
	}
}

func removedSet(l []persist.Removed) []string {
	var s []string
	for _, x := range l {
		s = append(s, fmt.Sprintf("%x %x %s", x.ID, x.Hash, x.UserID))
	}
	slices.Sort(s)
	return s
}

// compare reads everything that is stored, by every method.
func (m *model) compare() {
	ctx := context.Background()
	for _, id := range m.ids {
		got, err := m.got.ByID(ctx, id)
		want, wantErr := m.want.ByID(ctx, id)
		m.record(fmt.Sprintf("ByID %x", id), got, err, want, wantErr)
	}
	for _, h := range m.last {
		got, err := m.got.ByHash(ctx, persist.TokenKey{Hash: h})
		want, wantErr := m.want.ByHash(ctx, persist.TokenKey{Hash: h})
		m.record(fmt.Sprintf("ByHash %x", h), got, err, want, wantErr)
	}
	for _, u := range users {
		got, err := m.got.ByUser(ctx, persist.UserKey{ID: u})
		want, _ := m.want.ByUser(ctx, persist.UserKey{ID: u})
		if err != nil || len(got.Records) != len(want.Records) || got.Unreadable != 0 {
			m.Fatalf("ByUser %q: %d sessions, want %d (error: %v)", u, len(got.Records), len(want.Records), err)
		}
	}
	for _, u := range users {
		m.search(persist.Query{User: persist.UserKey{ID: u}, Limit: 2})
	}
	if got, err := m.got.Count(ctx); err != nil || got != len(m.want.rows) {
		m.Fatalf("Count: %d, want %d (error: %v)", got, len(m.want.rows), err)
	}
	if got, want := m.expired(m.got), m.expired(m.want); !slices.Equal(got, want) {
		m.Fatalf("Expired: %x, want %x", got, want)
	}
}

func (m *model) record(what string, got persist.Record, err error, want persist.Record, wantErr error) {
	if (err == nil) != (wantErr == nil) {
		m.Fatalf("%s: %v, want %v", what, err, wantErr)
	}
	if err != nil {
		return
	}
	want.Key = m.keys[want.ID]
	if why := difference(got, want); why != "" {
		m.Fatalf("%s: %s\ngot  %+v %+v\nwant %+v %+v", what, why, got, got.Identity, want, want.Identity)
	}
}

// search compares a walk over all pages.
func (m *model) search(q persist.Query) {
	got, err := walk(m.got, q)
	want, _ := walk(m.want, q)
	if err != nil || len(got) != len(want) {
		m.Fatalf("Search of %q: %d sessions, want %d (error: %v)", q.User.ID, len(got), len(want), err)
	}
	for i := range got {
		m.record("Search", got[i], nil, want[i], nil)
	}
}

func (m *model) expired(b persist.Backend) []persist.ID {
	var ids []persist.ID
	after := int64(0)
	for {
		refs, next, err := b.Expired(context.Background(), m.now, after, 2)
		if err != nil {
			m.Fatalf("Expired: %v", err)
		}
		for _, r := range refs {
			ids = append(ids, r.ID)
		}
		if after = next; next == 0 {
			return ids
		}
	}
}

// batch draws a batch.
func (m *model) batch() persist.Batch {
	b := persist.Batch{Now: m.now}
	busy := map[persist.ID]bool{} // one write or touch each at most, because their order is not defined
	for range rapid.IntRange(0, 3).Draw(m.T, "changes") {
		ref := m.ref()
		if busy[ref.ID] {
			continue
		}
		busy[ref.ID] = true
		at := m.now - rapid.Int64Range(-second, hour).Draw(m.T, "age")
		end := at + rapid.Int64Range(-hour, 30*hour).Draw(m.T, "left")
		if rapid.Bool().Draw(m.T, "touch") {
			b.Touches = append(b.Touches, persist.Touch{Ref: ref, Retime: m.retime(), LastActive: at, ExpiresAt: end})
			continue
		}
		m.n++
		b.Writes = append(b.Writes, persist.Write{
			Ref: ref, Retime: m.retime(), If: m.version(ref.ID), Next: persist.Version(1000 + m.n), Data: data(fmt.Sprintf(`{"n":%d}`, m.n)),
			LastActive: at, ExpiresAt: end,
		})
	}
	for range rapid.IntRange(0, 5).Draw(m.T, "ops") {
		b.Ops = append(b.Ops, m.op())
	}
	return b
}

// retime returns a Retime in some cases.
func (m *model) retime() *persist.Retime {
	if rapid.IntRange(0, 4).Draw(m.T, "retime") > 0 {
		return nil
	}
	at := m.now - rapid.Int64Range(0, hour).Draw(m.T, "back")
	return &persist.Retime{CreatedAt: at, Deadline: at + 5*hour, AuthAt: persist.Unproven, RotatedAt: at, Until: at + hour/2}
}

// version usually returns the stored version, and sometimes another one.
func (m *model) version(id persist.ID) persist.Version {
	r, err := m.want.ByID(context.Background(), id)
	if err != nil || rapid.IntRange(0, 4).Draw(m.T, "stale") == 0 {
		return 1
	}
	return r.Version
}

// ref returns a session that exists, existed or never existed, with or without its key.
func (m *model) ref() persist.Ref {
	id := rapid.SampledFrom(append([]persist.ID{idOf(1 << 50)}, m.ids...)).Draw(m.T, "id")
	ref := persist.Ref{ID: id}
	if rapid.Bool().Draw(m.T, "key") && m.born[id] == 1 {
		ref.Key = m.keys[id]
	}
	return ref
}

func (m *model) hash() persist.Hash {
	if len(m.last) > 0 && rapid.IntRange(0, 5).Draw(m.T, "old hash") == 0 {
		return rapid.SampledFrom(m.last).Draw(m.T, "hash")
	}
	m.n++
	m.last = append(m.last, hashOf(m.n))
	return hashOf(m.n)
}

func (m *model) op() persist.Op {
	kind := persist.OpKind(rapid.IntRange(1, 6).Draw(m.T, "kind"))
	user := rapid.SampledFrom(users).Draw(m.T, "user")
	switch kind {
	case persist.OpCreate:
		limit := persist.Limit{Max: rapid.IntRange(0, 3).Draw(m.T, "max"), Refuse: rapid.Bool().Draw(m.T, "refuse")}
		return replaceOp(m.newRecord(user), limit, m.ref().ID)
	case persist.OpDestroyUser:
		op := persist.Op{Kind: kind, User: persist.UserKey{ID: user}, Except: m.ref().ID, Max: rapid.IntRange(0, 3).Draw(m.T, "piece")}
		if rapid.Bool().Draw(m.T, "bounded") {
			op.Through = m.keys[m.ref().ID]
		}
		return op
	}
	op := persist.Op{Kind: kind, Ref: m.ref(), To: m.hash(), From: m.hash()}
	op.Until = m.now + rapid.Int64Range(0, hour).Draw(m.T, "until")
	op.AuthAt = rapid.Int64Range(0, 2).Draw(m.T, "auth")
	if rapid.Bool().Draw(m.T, "unseen") {
		op.Until = persist.Unseen
	}
	if r, err := m.want.ByID(context.Background(), op.Ref.ID); err == nil && rapid.Bool().Draw(m.T, "current") {
		if op.From = r.Hash; kind == persist.OpSeen {
			op.To = r.Hash
		}
		if kind == persist.OpRotate && r.Rotation != nil && rapid.Bool().Draw(m.T, "lost") {
			op.From, op.Lost = r.Previous, r.Hash
		}
	}
	return op
}

// newRecord returns a new session, sometimes with the ID of an earlier one.
func (m *model) newRecord(user string) *persist.Record {
	m.n++
	id := idOf(m.n)
	if len(m.ids) > 0 && rapid.IntRange(0, 5).Draw(m.T, "old id") == 0 {
		id = rapid.SampledFrom(m.ids).Draw(m.T, "id")
	} else {
		m.ids = append(m.ids, id)
	}
	m.born[id]++
	at := m.now - rapid.Int64Range(0, 3).Draw(m.T, "age")
	return &persist.Record{
		Identity: &persist.Identity{ID: id, UserID: user, CreatedAt: m.now, Deadline: m.now + 5*hour, TTL: hour,
			Flags: persist.Flags(rapid.IntRange(0, 1).Draw(m.T, "API token")) * persist.APIToken},
		Hash: m.hash(), Version: persist.Version(m.n), Data: []byte("{}"),
		LastActive: at, ExpiresAt: at + rapid.Int64Range(-second, 2*hour).Draw(m.T, "left"),
	}
}
