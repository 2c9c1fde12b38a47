package sqlite

import (
	"container/heap"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// guests keeps the eviction order of sessions without a user: by last activity.
//
// The database has no index on that time, because every touch would have to update it.
// The order is in memory instead, and lazy. The time in an entry is a lower bound of the
// stored time. An eviction takes the first entry and reads its stored time. If the guest
// was active since, the entry goes back with the stored time. Otherwise that guest is the
// least recently active one. So a touch costs nothing. An eviction costs one lookup, plus
// at most one for each time that a guest was active.
//
// The lower bound holds because last_active only goes back in a retime, which adds a new
// entry. Extra entries do no harm: for ended guests, duplicates, or guests of a transaction
// that was rolled back. A missing entry would do harm, so a rollback puts back what the
// transaction took.
type guests struct {
	entries guestHeap
	loaded  bool // true after the first eviction
}

// guest is one entry. Ties are broken by key, which is creation order.
type guest struct{ lastActive, key int64 }

type guestHeap []guest

func (h guestHeap) Len() int { return len(h) }

func (h guestHeap) Less(i, j int) bool {
	if h[i].lastActive != h[j].lastActive {
		return h[i].lastActive < h[j].lastActive
	}
	return h[i].key < h[j].key
}

func (h guestHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *guestHeap) Push(x any) { *h = append(*h, x.(guest)) } //nolint:errcheck,forcetypeassert // only we use the heap

func (h *guestHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// note adds an entry. If there are far more entries than guests, it drops them all, and
// the next eviction reads them from the database.
func (g *guests) note(x guest, stored int) {
	switch {
	case !g.loaded:
	case len(g.entries) > 2*stored+1024:
		g.forget()
	default:
		heap.Push(&g.entries, x)
	}
}

// forget drops all entries, because the stored guests are no longer known.
func (g *guests) forget() { *g = guests{} }

// loadGuests reads the order of all guests except the newest, unless it is loaded already.
func (t *transaction) loadGuests(newest int64) error {
	g := &t.db.idle
	if g.loaded {
		return nil
	}
	g.entries = make(guestHeap, 0, t.guests)
	err := query(t.c, `SELECT key, (SELECT last_active FROM activity a WHERE a.key = s.key) FROM session s
		WHERE user_id = '' AND key <> ?`).int(newest).rows(func(s *sqlite.Stmt) error {
		g.entries = append(g.entries, guest{lastActive: s.ColumnInt64(1), key: s.ColumnInt64(0)})
		return nil
	})
	if err != nil {
		g.forget()
		return err
	}
	heap.Init(&g.entries)
	g.loaded = true
	return nil
}

// evictGuests deletes the n least recently active guests, but never the newest one. If
// damage makes their order unreadable, it deletes the oldest guests.
func (t *transaction) evictGuests(newest int64, n int) ([]persist.Removed, error) {
	if err := t.loadGuests(newest); ownFault(err) {
		return t.remove(query(t.c, `DELETE FROM session WHERE key IN (
			SELECT key FROM session WHERE user_id = '' AND key <> ? ORDER BY key LIMIT ?)
			RETURNING key, id, token_hash, user_id`).int(newest).int(int64(n)))
	} else if err != nil {
		return nil, err
	}
	var all []persist.Removed
	for g := &t.db.idle; len(all) < n && len(g.entries) > 0; {
		x := heap.Pop(&g.entries).(guest) //nolint:errcheck,forcetypeassert // only we use the heap
		t.taken = append(t.taken, x)
		stored, there, err := t.guestActive(x.key)
		if err != nil {
			return nil, err
		}
		if there && stored > x.lastActive {
			heap.Push(&g.entries, guest{stored, x.key})
		}
		if !there || stored > x.lastActive {
			continue
		}
		gone, err := t.remove(query(t.c, `DELETE FROM session WHERE key = ? RETURNING key, id, token_hash, user_id`).int(x.key))
		if err != nil {
			return nil, err
		}
		all = append(all, gone...)
	}
	return all, nil
}

// guestActive returns when a guest was last active, and whether it exists. If its times are
// lost, at is 0.
func (t *transaction) guestActive(key int64) (at int64, there bool, err error) {
	err = query(t.c, `SELECT (SELECT last_active FROM activity a WHERE a.key = s.key) FROM session s WHERE key = ? AND user_id = ''`).
		int(key).rows(func(s *sqlite.Stmt) error {
		at, there = s.ColumnInt64(0), true
		return nil
	})
	return at, there, err
}

// putBack restores the entries that the transaction took, from the n-th on. It is called
// when their evictions are rolled back.
func (t *transaction) putBack(n int) {
	for _, x := range t.taken[n:] {
		t.db.idle.note(x, t.guests)
	}
	t.taken = t.taken[:n]
}
