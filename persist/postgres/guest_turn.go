package postgres

import (
	"container/heap"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
)

// guestTurn is what one transaction does with guests.
type guestTurn struct {
	count  int        // guests, as the operations go
	taken  []*session // stored ones that were taken out of the order
	idlest []*session // stored and new ones, least recently active first: enough for what this batch may evict
}

// created notes a new guest. A nil turn is of a transaction without a limit.
func (g *guestTurn) created(s *session) {
	if g == nil {
		return
	}
	g.count++
	at, _ := slices.BinarySearchFunc(g.idlest, s, func(a, b *session) int { return compareGuests(a.guest(), b.guest()) })
	g.idlest = slices.Insert(g.idlest, at, s)
}

func (s *session) guest() guest { return guest{s.LastActive, s.Key} }

// surplus returns the guests that must go for one more to come.
func (g *guestTurn) surplus(most int) []*session {
	live := slices.DeleteFunc(g.idlest, func(s *session) bool { return s.ended })
	g.idlest = live
	return slices.Clone(live[:min(len(live), max(0, g.count-(most-1)))])
}

// loadGuests counts the guests and locks those that the batch may evict, if it creates guests under a limit.
func (t *transaction) loadGuests(ctx context.Context, c *pgx.Conn) error {
	creates, least := 0, 0
	for i := range t.b.Ops {
		o := &t.b.Ops[i]
		if o.Kind != persist.OpCreate || checkRecord(o.Record) != nil || o.Record.UserID != "" {
			continue
		}
		if creates++; o.Limit.Max > 0 && (least == 0 || o.Limit.Max < least) {
			least = o.Limit.Max
		}
	}
	if least == 0 {
		return nil
	}
	g := &t.db.guests
	if err := g.count(ctx, c, t.db); err != nil {
		return err
	}
	t.guests = &guestTurn{count: g.stored}
	need := g.stored + creates - least
	if need <= 0 {
		return nil
	}
	if err := g.fill(ctx, c, t.db); err != nil {
		return err
	}
	return t.lockIdlest(ctx, c, need)
}

// lockIdlest takes the n least recently active guests out of the order, and locks them.
func (t *transaction) lockIdlest(ctx context.Context, c *pgx.Conn, n int) error {
	g := &t.db.guests
	exact := make(map[int64]*session) // those whose entry has the stored time
	var busy []int64
	for len(t.guests.taken) < n && len(g.idle) > 0 {
		if s := exact[g.idle[0].key]; s != nil {
			heap.Pop(&g.idle)
			delete(exact, s.Key)
			t.guests.take(t, s)
			continue
		}
		const spare = 16 // some will turn out to be active
		var keys []int64
		for len(keys) < n-len(t.guests.taken)+spare && len(g.idle) > 0 && exact[g.idle[0].key] == nil {
			keys = append(keys, heap.Pop(&g.idle).(guest).key) //nolint:errcheck,forcetypeassert // the heap is ours alone
		}
		locked, err := t.readIdlest(ctx, c, keys, func(s *session) {
			if known := t.byID[s.ID]; known != nil {
				s = known // with what this batch writes
			}
			if !slices.Contains(t.guests.taken, s) {
				exact[s.Key] = s
				heap.Push(&g.idle, s.guest())
			}
		})
		if err != nil {
			return err
		}
		busy = append(busy, locked...)
	}
	for _, key := range busy {
		heap.Push(&g.idle, guest{t.now, key})
	}
	return nil
}

// take has a batch evict s if it must evict one more.
func (g *guestTurn) take(t *transaction, s *session) {
	if t.byID[s.ID] == nil {
		t.add(s)
	}
	g.taken, g.idlest = append(g.taken, s), append(g.idlest, s)
}

// A guest whose rows another transaction has is in use, and is not waited for.
const (
	idlestSQL = `WITH s AS MATERIALIZED (
	SELECT key, id, token_hash, previous_hash, rotated_until, rotated_at, auth_at, defaults, user_id, created_at, version
	FROM SCHEMA.session WHERE key = ANY ($1) AND user_id = '' ORDER BY key FOR UPDATE SKIP LOCKED
), a AS MATERIALIZED (
	SELECT key, last_active, expires_at, deadline FROM SCHEMA.activity
	WHERE key = ANY (ARRAY (SELECT key FROM s)) ORDER BY key FOR UPDATE SKIP LOCKED
)
SELECT s.key, s.id, s.token_hash, s.previous_hash, s.rotated_until, s.rotated_at, s.auth_at, s.defaults, s.user_id, s.created_at, s.version,
	a.last_active, a.expires_at, a.deadline
FROM s JOIN a USING (key)`

	guestKeysSQL = `SELECT key FROM SCHEMA.session WHERE key = ANY ($1) AND user_id = ''`
)

// readIdlest locks and reads guests by their keys, and returns the keys of those that others have locked. Those that have ended are left out.
func (t *transaction) readIdlest(ctx context.Context, c *pgx.Conn, keys []int64, each func(*session)) (busy []int64, err error) {
	var q pgx.Batch
	locked := make(map[int64]bool, len(keys))
	q.Queue(t.db.sql(idlestSQL), keys).Query(func(rows pgx.Rows) error {
		return eachSession(rows, func(s *session) {
			locked[s.Key] = true
			each(s)
		})
	})
	q.Queue(t.db.sql(guestKeysSQL), keys).Query(func(rows pgx.Rows) error {
		var key int64
		_, err := pgx.ForEachRow(rows, []any{&key}, func() error {
			if !locked[key] {
				busy = append(busy, key)
			}
			return nil
		})
		return err
	})
	return busy, c.SendBatch(ctx, &q).Close()
}

// commitGuests brings what is known of the guests up to date with a transaction that was committed.
func (t *transaction) commitGuests() {
	g := &t.db.guests
	for _, s := range t.all {
		switch {
		case s.UserID != "":
		case s.ended && s.stored && s.Key <= g.last:
			g.stored--
		case !s.ended && !s.stored && t.guests != nil:
			g.stored++
			g.last = max(g.last, s.Key)
		case !s.ended && s.newTimes && s.newToken && s.Key <= g.seen: // its times were taken back: the entry is no bound
			heap.Push(&g.idle, s.guest())
		}
	}
	if t.guests == nil {
		return
	}
	for _, s := range t.guests.taken {
		if !s.ended {
			heap.Push(&g.idle, s.guest())
		}
	}
}
