package postgres

import (
	"cmp"
	"container/heap"
	"context"

	"github.com/jackc/pgx/v5"
)

// guests is what a node knows of the sessions without a user. It needs that to evict the least recently active one. Activity has no
// index, because every touch would have to update it. So each node counts the guests, and keeps them in order in memory once it
// has to evict:
//
//   - A transaction that creates a guest holds the lock of the guests while it takes the session's key from the sequence. So the
//     guests of other nodes have keys above the highest known key, and an index finds them.
//   - An entry's time is a lower bound of the stored time. The node looks the first entry up. If that guest was active meanwhile,
//     the entry goes back with the stored time. Otherwise it is the least recently active guest.
//   - The count includes guests that other nodes ended. The node counts again once others have created one guest in sixty-four.
//     So it evicts up to that many too early. With one node the cap is exact.
type guests struct {
	counted bool
	stored  int   // guests in the database, and those that others ended since the count
	foreign int   // of them, created by others since the count
	last    int64 // the highest key that was counted
	idle    guestHeap
	seen    int64 // the highest key that is in idle, or was
}

// forget drops everything: a transaction failed, and took entries out.
func (g *guests) forget() { *g = guests{} }

// guest is an entry. Ties go by the key, that is by creation.
type guest struct{ lastActive, key int64 }

func compareGuests(a, b guest) int {
	return cmp.Or(cmp.Compare(a.lastActive, b.lastActive), cmp.Compare(a.key, b.key))
}

type guestHeap []guest

func (h guestHeap) Len() int           { return len(h) }
func (h guestHeap) Less(i, j int) bool { return compareGuests(h[i], h[j]) < 0 }
func (h guestHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *guestHeap) Push(x any)        { *h = append(*h, x.(guest)) } //nolint:errcheck,forcetypeassert // the heap is ours alone

func (h *guestHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

const countGuestsSQL = `SELECT count(*), coalesce(max(key), 0) FROM SCHEMA.session WHERE user_id = '' AND key > $1`

// count brings the number of guests up to date. Others may have ended as many guests as they have created, so it counts all guests
// anew before that makes a difference of more than one in sixty-four.
func (g *guests) count(ctx context.Context, c *pgx.Conn, d *DB) error {
	if g.counted {
		n, err := g.countNew(ctx, c, d)
		if err != nil {
			return err
		}
		if g.foreign += n; g.foreign <= g.stored/64 {
			return nil
		}
	}
	g.stored, g.foreign, g.last = 0, 0, 0
	if _, err := g.countNew(ctx, c, d); err != nil {
		return err
	}
	g.counted = true
	return nil
}

// countNew counts the guests with keys above the highest one that was counted.
func (g *guests) countNew(ctx context.Context, c *pgx.Conn, d *DB) (n int, err error) {
	var last int64
	if err := c.QueryRow(ctx, d.sql(countGuestsSQL), g.last).Scan(&n, &last); err != nil {
		return 0, err
	}
	g.stored, g.last = g.stored+n, max(g.last, last)
	return n, nil
}

const newGuestsSQL = `SELECT s.key, a.last_active FROM SCHEMA.session s JOIN SCHEMA.activity a USING (key)
	WHERE s.user_id = '' AND s.key > $1 ORDER BY s.key LIMIT 100000`

// fill takes the guests into the order that came since it was last filled: a bounded number, the earliest first, so that
// millions are taken in by many transactions.
func (g *guests) fill(ctx context.Context, c *pgx.Conn, d *DB) error {
	if len(g.idle) > 2*g.stored+1024 { // most have ended
		g.idle, g.seen = nil, 0
	}
	rows, _ := c.Query(ctx, d.sql(newGuestsSQL), g.seen)
	var x guest
	_, err := pgx.ForEachRow(rows, []any{&x.key, &x.lastActive}, func() error {
		heap.Push(&g.idle, x)
		g.seen = x.key
		return nil
	})
	return err
}
