// Package persisttest proves a backend: [Run] is the contract of package persist
// as tests, and [Memory] is the contract as the shortest code that keeps it.
package persisttest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/sessile/sessile/persist"
)

// Memory is a [persist.Backend] that keeps sessions in memory and nothing at all
// on disk. It is what another backend is compared with. Whatever it returns is
// ordered by Key unless the contract asks for another order.
type Memory struct {
	mu   sync.Mutex
	rows map[persist.ID]*persist.Record
	seq  int64
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{rows: map[persist.ID]*persist.Record{}} }

// ByHash finds a session by its token's hash or by its previous token's. A
// current hash is preferred to a previous one.
func (m *Memory) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	return m.find(ctx,
		func(r *persist.Record) bool { return r.Hash == k.Hash },
		func(r *persist.Record) bool { return r.Rotation != nil && r.Previous == k.Hash })
}

// ByID finds a session by its id.
func (m *Memory) ByID(ctx context.Context, id persist.ID) (persist.Record, error) {
	return m.find(ctx, func(r *persist.Record) bool { return r.ID == id })
}

// find returns a copy of the first session that a match accepts, trying the
// matches one after the other.
func (m *Memory) find(ctx context.Context, matches ...func(*persist.Record) bool) (persist.Record, error) {
	if err := ctx.Err(); err != nil {
		return persist.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, match := range matches {
		if l := m.where(match); len(l) > 0 {
			return clone(l[0]), nil
		}
	}
	return persist.Record{}, persist.ErrNotFound
}

// ByUser lists the user's sessions.
func (m *Memory) ByUser(ctx context.Context, u persist.UserKey) (persist.Listing, error) {
	if err := ctx.Err(); err != nil {
		return persist.Listing{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var l persist.Listing
	for _, r := range m.ofUser(u.ID) {
		l.Records = append(l.Records, clone(r))
	}
	return l, nil
}

// Expired returns up to limit sessions past their end. It looks at ten rows for
// each that it may return, so that a caller is tested for going on.
func (m *Memory) Expired(ctx context.Context, now, after int64, limit int) ([]persist.Ref, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit <= 0 {
		return nil, 0, nil
	}
	var refs []persist.Ref
	rows := m.where(func(r *persist.Record) bool { return r.Key > after })
	for i, r := range rows {
		if !active(r, now) {
			refs = append(refs, r.Ref())
		}
		if last := i == len(rows)-1; !last && (len(refs) == limit || i+1 == 10*limit) {
			return refs, r.Key, nil
		}
	}
	return refs, 0, nil
}

// Apply commits b: all of it, because nothing here can fail half way.
func (m *Memory) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	if err := ctx.Err(); err != nil {
		return persist.Result{}, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var res persist.Result
	for i := range b.Writes {
		res.Writes = append(res.Writes, m.write(&b.Writes[i]))
	}
	for i := range b.Touches {
		res.Touches = append(res.Touches, m.touch(&b.Touches[i]))
	}
	for i := range b.Ops {
		res.Ops = append(res.Ops, m.op(b.Now, &b.Ops[i]))
	}
	return res, nil
}

// Watch has nothing to tell: nobody else has this store. It ends with ctx.
func (m *Memory) Watch(ctx context.Context, _ persist.Sink) error {
	<-ctx.Done()
	return nil
}

// Traits describe the store. Its key is fixed, so that a test repeats itself.
func (m *Memory) Traits() persist.Traits {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i + 1)
	}
	return persist.Traits{Engine: "memory", Exclusive: true, StoreKey: key}
}

// Close does nothing.
func (m *Memory) Close() error { return nil }

// where returns the sessions that match accepts, in key order.
func (m *Memory) where(match func(*persist.Record) bool) []*persist.Record {
	var l []*persist.Record
	for r := range maps.Values(m.rows) {
		if match(r) {
			l = append(l, r)
		}
	}
	slices.SortFunc(l, func(a, b *persist.Record) int { return cmp.Compare(a.Key, b.Key) })
	return l
}

func (m *Memory) ofUser(user string) []*persist.Record {
	return m.where(func(r *persist.Record) bool { return r.UserID == user })
}

// row returns the stored session, nil if there is none. A key that is not the
// session's own names nothing.
func (m *Memory) row(ref persist.Ref) *persist.Record {
	r := m.rows[ref.ID]
	if r == nil || ref.Key != 0 && ref.Key != r.Key {
		return nil
	}
	return r
}

// active reports whether r is before both of its ends.
func active(r *persist.Record, now int64) bool { return now < r.ExpiresAt && now < r.Deadline }

// clone copies all of r but its strings: what is in the store is nobody else's.
func clone(r *persist.Record) persist.Record {
	c, id := *r, *r.Identity
	c.Identity = &id
	if r.Rotation != nil {
		rot := *r.Rotation
		c.Rotation = &rot
	}
	c.Data = slices.Clone(r.Data)
	return c
}
