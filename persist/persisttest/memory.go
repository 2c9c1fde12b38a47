package persisttest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sessile/sessile/persist"
)

// Memory is the reference [persist.Backend]. It keeps sessions in memory and writes nothing to
// disk. Other backends are compared with it. Results are ordered by Key unless the contract says
// otherwise. Several goroutines may call its Apply.
type Memory struct {
	*shelf
	shared bool
	sink   persist.Sink // of the running Watch; guarded by shelf.deliver
}

// shelf is a store that several handles may share.
type shelf struct {
	deliver sync.Mutex // held from a commit until every other handle was notified
	handles []*Memory
	mu      sync.Mutex // guards the fields below
	rows    map[persist.ID]*persist.Record
	tokens  map[persist.Hash]*persist.Record // by current and previous hash
	seq     int64
	clock   int64        // the latest Batch.Now
	own     func() int64 // the clock of a shared store
}

// keyStep is the distance between the keys of a Memory. With it, a few sessions are enough for
// tests to have both close and distant keys.
const keyStep = 300

// NewMemory returns an empty store with one handle.
func NewMemory() *Memory {
	return &Memory{shelf: &shelf{rows: map[persist.ID]*persist.Record{}, tokens: map[persist.Hash]*persist.Record{}}}
}

// NewShared returns n handles of one empty store, like n nodes. Each handle is notified of the
// changes of the others before their Apply returns. The clock of the store is the wall clock.
func NewShared(n int) []*Memory {
	s := NewMemory().shelf
	s.own = func() int64 { return time.Now().UnixMicro() }
	for range n {
		s.handles = append(s.handles, &Memory{shelf: s, shared: true})
	}
	return s.handles
}

// SetClock sets the clock of a shared store, which stands still from then on.
func (m *Memory) SetClock(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own = now.UnixMicro
}

// ByHash finds a session by the hash of its current or its previous token.
func (m *Memory) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	return m.find(ctx, func() *persist.Record { return m.tokens[k.Hash] })
}

// ByID finds a session by its ID.
func (m *Memory) ByID(ctx context.Context, id persist.ID) (persist.Record, error) {
	return m.find(ctx, func() *persist.Record { return m.rows[id] })
}

// find returns a copy of the stored row, or persist.ErrNotFound.
func (m *Memory) find(ctx context.Context, row func() *persist.Record) (persist.Record, error) {
	if err := ctx.Err(); err != nil {
		return persist.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := row(); r != nil {
		return clone(r), nil
	}
	return persist.Record{}, persist.ErrNotFound
}

// ByUser lists the sessions of a user. Guests belong to no user.
func (m *Memory) ByUser(ctx context.Context, u persist.UserKey) (persist.Listing, error) {
	if err := ctx.Err(); err != nil || u.ID == "" {
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

// Expired returns up to limit sessions that have ended. It looks at ten rows per session that it
// may return, so that callers have to handle several pages.
func (m *Memory) Expired(ctx context.Context, now, after int64, limit int) ([]persist.Ref, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit <= 0 {
		return nil, 0, nil
	}
	future := now
	if now <= 0 && m.own != nil {
		now, future = now+m.own(), persist.NoDeadline
	}
	var refs []persist.Ref
	rows := m.where(func(r *persist.Record) bool { return r.Key > after })
	for i, r := range rows {
		if !active(r, now) || r.LastActive > future {
			refs = append(refs, r.Ref())
		}
		if last := i == len(rows)-1; !last && (len(refs) == limit || i+1 == 10*limit) {
			return refs, r.Key, nil
		}
	}
	return refs, 0, nil
}

// Apply commits b. Nothing can fail half way, so it always commits the whole batch.
func (m *Memory) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	if err := ctx.Err(); err != nil {
		return persist.Result{}, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
	m.deliver.Lock()
	defer m.deliver.Unlock()
	res := m.commit(b)
	if events := eventsOf(b, res); len(events) > 0 {
		for _, h := range m.handles {
			if h != m && h.sink != nil {
				h.sink.Invalidate(events)
			}
		}
	}
	return res, nil
}

func (m *Memory) commit(b *persist.Batch) persist.Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock = max(m.clock, b.Now)
	now := b.Now
	if now == 0 && m.own != nil {
		now = m.own()
	}
	var res persist.Result
	for i := range b.Writes {
		res.Writes = append(res.Writes, m.write(&b.Writes[i]))
	}
	for i := range b.Touches {
		res.Touches = append(res.Touches, m.touch(&b.Touches[i]))
	}
	for i := range b.Ops {
		res.Ops = append(res.Ops, m.op(now, &b.Ops[i]))
	}
	return res
}

// beat is how often a shared handle reports that it is up to date.
const beat = 100 * time.Millisecond

// Watch reports the changes of other handles to s until ctx ends. A store with one handle reports
// nothing.
func (m *Memory) Watch(ctx context.Context, s persist.Sink) error {
	if !m.shared {
		<-ctx.Done()
		return nil
	}
	m.listen(s)
	defer m.listen(nil)
	s.Reset("began to watch")
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		m.deliver.Lock()
		s.Fresh(s.Now())
		m.deliver.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *Memory) listen(s persist.Sink) {
	m.deliver.Lock()
	defer m.deliver.Unlock()
	m.sink = s
}

// Traits describe the store. The key is fixed, so that tests are repeatable.
func (m *Memory) Traits() persist.Traits {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i + 1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return persist.Traits{Engine: "memory", Exclusive: !m.shared, StoreKey: key, Clock: m.clock}
}

// Close does nothing.
func (m *Memory) Close() error { return nil }

// where returns the sessions that match, in key order.
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

// row returns the stored session, or nil. A ref with a key that is not the session's own matches
// nothing.
func (m *Memory) row(ref persist.Ref) *persist.Record {
	r := m.rows[ref.ID]
	if r == nil || ref.Key != 0 && ref.Key != r.Key {
		return nil
	}
	return r
}

// active reports whether r has not ended, by either of its ends.
func active(r *persist.Record, now int64) bool { return now < r.ExpiresAt && now < r.Deadline }

// clone makes a deep copy of r, so that the store shares memory with nobody.
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

// eventsOf returns the events of a batch for other handles. A touch needs no event, because it can
// only make a session live longer.
func eventsOf(b *persist.Batch, res persist.Result) []persist.Event {
	var events []persist.Event
	changed := func(id persist.ID) {
		events = append(events, persist.Event{Kind: persist.EventSessionChanged, ID: id})
	}
	for i, o := range res.Writes {
		if o.Status == persist.StatusApplied {
			changed(b.Writes[i].Ref.ID)
		}
	}
	for i, o := range res.Ops {
		op := &b.Ops[i]
		switch {
		case o.Status != persist.StatusApplied:
		case op.Kind == persist.OpDestroyUser:
			events = append(events, persist.Event{Kind: persist.EventUserChanged, UserID: op.User.ID, Except: op.Except})
		case op.Kind == persist.OpRotate || op.Kind == persist.OpSeen:
			changed(op.Ref.ID)
		default:
			for _, x := range o.Removed {
				changed(x.ID)
			}
		}
	}
	return events
}
