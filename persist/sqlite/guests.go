package sqlite

import (
	"container/heap"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// guests orders the sessions without a user by their last activity, for evictions. There
// is no index on that: every touch would pay for it. So the order is in memory, and lazy:
// an entry's time is a lower bound of what is stored. An eviction looks the first one up.
// If it was active meanwhile it goes back with the time that is stored, else it is the
// least recently active of all. So a touch costs nothing, and an eviction one look for
// itself and at most one for each time that a guest was active.
//
// The bound holds because last_active never goes back, but for a retime, which notes the
// guest anew. An entry too many does no harm: of guests that have ended, of those noted
// twice, of those that a transaction noted which was rolled back. An entry too few would:
// what a transaction takes out comes back if it is rolled back.
type guests struct {
	entries guestHeap
	loaded  bool // from the first eviction on
}

// guest is one entry. Ties go by the key, that is by creation.
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

func (h *guestHeap) Push(x any) { *h = append(*h, x.(guest)) } //nolint:errcheck,forcetypeassert // the heap is ours alone

func (h *guestHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// note adds an entry. When there are many more than guests it forgets them all, and the
// next eviction reads them again.
func (g *guests) note(x guest, stored int) {
	switch {
	case !g.loaded:
	case len(g.entries) > 2*stored+1024:
		g.forget()
	default:
		heap.Push(&g.entries, x)
	}
}

// forget drops everything: nobody knows any more what is stored.
func (g *guests) forget() { *g = guests{} }

// loadGuests reads the order of the guests but the newest, once.
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

// evictGuests ends the n least recently active guests, but not the newest one. Where
// damage keeps their order from being read, it ends the oldest.
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
		x := heap.Pop(&g.entries).(guest) //nolint:errcheck,forcetypeassert // the heap is ours alone
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

// guestActive is when a guest was last active, and whether there is such a guest. One
// whose times are lost was never active.
func (t *transaction) guestActive(key int64) (at int64, there bool, err error) {
	err = query(t.c, `SELECT (SELECT last_active FROM activity a WHERE a.key = s.key) FROM session s WHERE key = ? AND user_id = ''`).
		int(key).rows(func(s *sqlite.Stmt) error {
		at, there = s.ColumnInt64(0), true
		return nil
	})
	return at, there, err
}

// putBack notes again the guests that were taken out and are there still: all of them
// from the first n on, because what has ended them is rolled back.
func (t *transaction) putBack(n int) {
	for _, x := range t.taken[n:] {
		t.db.idle.note(x, t.guests)
	}
	t.taken = t.taken[:n]
}
