package sqlite

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"testing"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

const hour = int64(3_600_000_000)

// guestRig is a store with numbered guests, each an hour younger than the one before.
type guestRig struct {
	*testing.T
	d    *DB
	keys map[byte]int64
}

func newGuestRig(t *testing.T) *guestRig {
	t.Helper()
	d, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return &guestRig{T: t, d: d, keys: map[byte]int64{}}
}

func (g *guestRig) id(n byte) persist.ID { return persist.ID{15: n} }

func (g *guestRig) create(n byte, user string, most int) persist.Op {
	at := int64(n) * hour
	return persist.Op{Kind: persist.OpCreate, Limit: persist.Limit{Max: most}, Record: &persist.Record{
		Identity: &persist.Identity{ID: g.id(n), UserID: user, CreatedAt: at, Deadline: persist.NoDeadline, TTL: hour},
		Hash:     persist.Hash{1, n}, Data: []byte("{}"), LastActive: at, ExpiresAt: persist.NoDeadline,
	}}
}

// apply commits operations and returns the sessions that each of them ended.
func (g *guestRig) apply(touched []byte, ops ...persist.Op) (ended [][]byte) {
	g.Helper()
	b := persist.Batch{Now: 1000 * hour, Ops: ops}
	for _, n := range touched {
		b.Touches = append(b.Touches, persist.Touch{Ref: persist.Ref{ID: g.id(n), Key: g.keys[n]}, LastActive: b.Now, ExpiresAt: persist.NoDeadline})
	}
	res, err := g.d.Apply(context.Background(), &b)
	if err != nil {
		g.Fatal(err)
	}
	for i, o := range res.Ops {
		if r := ops[i].Record; r != nil {
			g.keys[r.ID[15]] = o.Key
		}
		var ids []byte
		for _, x := range o.Removed {
			ids = append(ids, x.ID[15])
		}
		ended = append(ended, ids)
	}
	return ended
}

func (g *guestRig) want(got []byte, want ...byte) {
	g.Helper()
	if string(got) != string(want) {
		g.Fatalf("guests %v were evicted, want %v", got, want)
	}
}

// raw changes the file the way another program would.
func (g *guestRig) raw(sql string) {
	g.Helper()
	c, err := zombie.OpenConn(g.d.cfg.Path, zombie.OpenReadWrite)
	if err != nil {
		g.Fatal(err)
	}
	defer c.Close()
	if err := sqlitex.ExecuteScript(c, sql, nil); err != nil {
		g.Fatal(err)
	}
}

func TestGuestsAreEvictedInTheOrderOfActivity(t *testing.T) {
	g := newGuestRig(t)
	for n := range byte(4) {
		g.apply(nil, g.create(n+1, "", 4))
	}
	g.want(g.apply([]byte{1}, g.create(5, "", 4))[0], 2)
	g.want(g.apply([]byte{3, 4}, g.create(6, "", 4))[0], 5) // their entries are stale
	g.want(g.apply(nil, persist.Op{Kind: persist.OpDestroy, Ref: persist.Ref{ID: g.id(6)}}, g.create(7, "", 4))[1])
	g.want(g.apply(nil, g.create(8, "", 4))[0], 7)
	g.want(g.apply(nil, g.create(9, "", 1))[0], 8, 1, 3, 4) // 6 has ended, and its entry is skipped
}

// TestGuestsEvictedInARolledBackBatchAreEvictedAgain:
//
//  1. An eviction takes the first guest out of the order.
//  2. Another item of the batch fails, and everything is rolled back.
//  3. The batch is applied again without that item.
func TestGuestsEvictedInARolledBackBatchAreEvictedAgain(t *testing.T) {
	g := newGuestRig(t)
	g.apply(nil, g.create(1, "", 2), g.create(2, "", 2), g.create(9, "ann", 0))
	g.raw(`DELETE FROM activity WHERE key = (SELECT key FROM session WHERE user_id = 'ann')`)
	g.want(g.apply(nil, g.create(3, "", 2))[0], 1)
	broken := persist.Op{Kind: persist.OpExpire, Ref: persist.Ref{ID: g.id(9)}}
	g.want(g.apply(nil, g.create(4, "", 2), broken)[0], 2)
	g.want(g.apply(nil, g.create(5, "", 2))[0], 3)
}

func TestGuestsAreEvictedByForeignChangesOfActivity(t *testing.T) {
	g := newGuestRig(t)
	for n := range byte(4) {
		g.apply(nil, g.create(n+1, "", 3))
	}
	g.raw(`UPDATE activity SET last_active = 1 WHERE key = (SELECT max(key) FROM session)`)
	g.want(g.apply(nil, g.create(5, "", 3))[0], 4)
}

// TestGuestsOrderIsBounded although guests come and go.
func TestGuestsOrderIsBounded(t *testing.T) {
	g := newGuestRig(t)
	g.apply(nil, g.create(1, "", 1), g.create(2, "", 1))
	most := 0
	var id [8]byte
	for n := range 30 {
		var b persist.Batch
		for i := range 100 {
			op := g.create(3, "", 10)
			binary.BigEndian.PutUint64(id[:], uint64(100*n+i)+1)
			copy(op.Record.ID[:], id[:])
			copy(op.Record.Hash[:], id[:])
			b.Ops = append(b.Ops, op, persist.Op{Kind: persist.OpDestroy, Ref: op.Record.Ref()})
		}
		if _, err := g.d.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(g.d.idle.entries))
	}
	if most < 1000 || most > 2000 {
		t.Errorf("there were up to %d entries of two guests", most)
	}
	g.want(g.apply(nil, g.create(4, "", 1))[0], 2)
}
