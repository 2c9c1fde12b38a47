package persisttest

import (
	"cmp"
	"context"
	"slices"

	"github.com/sessile/sessile/persist"
)

type Memory struct {
	m   map[persist.ID]*persist.Record
	seq int64
}

func NewMemory() *Memory { return &Memory{m: map[persist.ID]*persist.Record{}} }
func cp(r *persist.Record) persist.Record {
	x := *r
	id := *r.Identity
	x.Identity = &id
	if r.Rotation != nil {
		rot := *r.Rotation
		x.Rotation = &rot
	}
	return x
}
func (m *Memory) ByHash(_ context.Context, k persist.TokenKey) (persist.Record, error) {
	for _, r := range m.sorted() {
		if r.Hash == k.Hash || r.Rotation != nil && r.Previous == k.Hash {
			return cp(r), nil
		}
	}
	return persist.Record{}, persist.ErrNotFound
}
func (m *Memory) ByID(_ context.Context, id persist.ID) (persist.Record, error) {
	if r := m.m[id]; r != nil {
		return cp(r), nil
	}
	return persist.Record{}, persist.ErrNotFound
}
func (m *Memory) sorted() (l []*persist.Record) {
	for _, r := range m.m {
		l = append(l, r)
	}
	slices.SortFunc(l, func(a, b *persist.Record) int { return cmp.Compare(a.Key, b.Key) })
	return
}
func (m *Memory) ByUser(_ context.Context, u persist.UserKey) (l persist.Listing, _ error) {
	for _, r := range m.sorted() {
		if r.UserID == u.ID {
			l.Records = append(l.Records, cp(r))
		}
	}
	return
}
func (m *Memory) Expired(_ context.Context, now, after int64, limit int) (refs []persist.Ref, next int64, _ error) {
	for _, r := range m.sorted() {
		if r.Key > after && min(r.ExpiresAt, r.Deadline) <= now && len(refs) < limit {
			refs = append(refs, r.Ref())
		}
	}
	return
}
func (m *Memory) del(o *persist.Outcome, r *persist.Record) {
	o.Removed = append(o.Removed, persist.Removed{ID: r.ID, Hash: r.Hash, UserID: r.UserID})
	delete(m.m, r.ID)
}
func (m *Memory) Apply(_ context.Context, b *persist.Batch) (res persist.Result, _ error) {
	for _, w := range b.Writes {
		r := m.m[w.Ref.ID]
		o := persist.Outcome{Status: persist.Applied}
		switch {
		case r == nil:
			o.Status = persist.Gone
		case r.Version == w.If || r.Version == w.Next:
			r.Version, r.Data = w.Next, w.Data()
			if w.LastActive >= r.LastActive {
				r.LastActive, r.ExpiresAt = w.LastActive, w.ExpiresAt
			}
		default:
			o.Status, o.Version = persist.Conflict, r.Version
		}
		res.Writes = append(res.Writes, o)
	}
	for _, w := range b.Touches {
		r := m.m[w.Ref.ID]
		o := persist.Outcome{Status: persist.Applied}
		if r == nil {
			o.Status = persist.Gone
		} else if w.LastActive >= r.LastActive {
			r.LastActive, r.ExpiresAt = w.LastActive, w.ExpiresAt
		}
		res.Touches = append(res.Touches, o)
	}
	for _, op := range b.Ops {
		res.Ops = append(res.Ops, m.op(b.Now, op))
	}
	return
}
func (m *Memory) op(now int64, op persist.Op) (o persist.Outcome) {
	o.Status = persist.Applied
	r := m.m[op.Ref.ID]
	switch op.Kind {
	case persist.Create:
		if x := m.m[op.Record.ID]; x != nil {
			o.Key = x.Key
			return
		}
		n := cp(op.Record)
		m.seq++
		n.Key, o.Key = m.seq, m.seq
		var act []*persist.Record
		for _, r := range m.sorted() {
			if r.UserID == n.UserID && now < min(r.ExpiresAt, r.Deadline) {
				act = append(act, r)
			}
		}
		slices.SortFunc(act, func(a, b *persist.Record) int {
			return cmp.Or(cmp.Compare(a.LastActive, b.LastActive), slices.Compare(a.ID[:], b.ID[:]))
		})
		for op.Limit.Max > 0 && len(act) > op.Limit.Max-1 {
			m.del(&o, act[0])
			act = act[1:]
		}
		m.m[n.ID] = &n
	case persist.Rotate:
		switch {
		case r == nil:
			o.Status = persist.Gone
		case r.Hash == op.To:
		case r.Hash == op.From:
			r.Hash = op.To
			r.Rotation = &persist.Rotation{Previous: op.From, Until: op.Until, At: now, AuthAt: op.AuthAt}
		default:
			o.Status = persist.Conflict
		}
	case persist.Destroy, persist.Expire:
		switch {
		case r == nil:
			o.Status = persist.Gone
		case op.Kind == persist.Destroy || now >= min(r.ExpiresAt, r.Deadline):
			m.del(&o, r)
		default:
			o.Status = persist.Conflict
		}
	case persist.DestroyUser:
		for _, r := range m.sorted() {
			if r.UserID == op.User.ID && r.ID != op.Except {
				m.del(&o, r)
			}
		}
	}
	return
}
