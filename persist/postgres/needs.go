package postgres

import (
	"cmp"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sessile/sessile/persist"
)

// needs is what a transaction must lock and read before it can decide.
type needs struct {
	ids     [][]byte
	hashes  [][]byte
	users   map[string]bool // whose sessions are all read; the empty one, for guests, is locked only
	pieces  []*persist.Op   // that end some sessions of a user
	creates int             // keys for new sessions
	retimes int
}

// needsOf collects what the items of b can affect.
func needsOf(b *persist.Batch) needs {
	n := needs{users: map[string]bool{}}
	for i := range b.Writes {
		n.ids = append(n.ids, b.Writes[i].Ref.ID[:])
	}
	for i := range b.Touches {
		if x := &b.Touches[i]; x.Retime != nil {
			n.ids = append(n.ids, x.Ref.ID[:])
			n.retimes++
		}
	}
	for i := range b.Ops {
		n.op(&b.Ops[i])
	}
	n.pieces = slices.DeleteFunc(n.pieces, func(o *persist.Op) bool { return n.users[o.User.ID] })
	return n
}

func (n *needs) op(o *persist.Op) {
	switch o.Kind {
	case persist.OpCreate:
		n.create(o)
	case persist.OpDestroyUser:
		n.destroyUser(o)
	case persist.OpRotate:
		n.ids, n.hashes = append(n.ids, o.Ref.ID[:]), append(n.hashes, o.To[:])
	default:
		n.ids = append(n.ids, o.Ref.ID[:])
	}
}

func (n *needs) destroyUser(o *persist.Op) {
	switch {
	case o.User.ID == "" || !storable(o.User.ID) || o.Max < 0 || o.Through < 0:
	case o.Max > 0:
		n.pieces = append(n.pieces, o)
	default:
		n.users[o.User.ID] = true
	}
}

// piece is the rows that are read for the pieces: for each the user's sessions with the greatest keys.
type piece struct {
	users   []string
	through []int64
	most    []int64
}

// piece returns enough rows for every piece: its own, the one that it leaves, the one that it spares, and those that other items of the
// batch may end before its turn.
func (n *needs) piece() piece {
	var p piece
	spare := int64(len(n.ids) + 2)
	for _, o := range n.pieces {
		spare += int64(o.Max)
	}
	for _, o := range n.pieces {
		p.users = append(p.users, o.User.ID)
		p.through = append(p.through, cmp.Or(o.Through, math.MaxInt64))
		p.most = append(p.most, spare)
	}
	return p
}

func (n *needs) create(o *persist.Op) {
	if checkRecord(o.Record) != nil {
		return
	}
	n.creates++
	n.ids, n.hashes = append(n.ids, o.Record.ID[:]), append(n.hashes, o.Record.Hash[:])
	if !o.Replaces.IsZero() {
		n.ids = append(n.ids, o.Replaces[:])
	}
	if o.Limit.Max > 0 || o.Record.UserID == "" {
		n.users[o.Record.UserID] = true
	}
}

// storable reports whether the database can store a text: it takes UTF-8 without NUL.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// named returns the users whose sessions are read.
func (n *needs) named() []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(n.users)), func(u string) bool { return u == "" })
}

// maxLocks is how many users one transaction locks one by one. More would fill the server's table of locks, which has
// 64 places for each connection: then the whole store is locked.
const maxLocks = 512

// locks returns the keys of the advisory locks in the order in which all transactions take them, and whether
// they are those of users, beside which the lock of the store is shared.
func (n *needs) locks(schema string) (keys []int64, ofUsers bool) {
	users := maps.Clone(n.users)
	for _, o := range n.pieces {
		users[o.User.ID] = true
	}
	if len(users) > maxLocks {
		return []int64{lockKey(schema, "store")}, false
	}
	for u := range users {
		keys = append(keys, lockKey(schema, "user", u))
	}
	slices.Sort(keys)
	return keys, true
}

// lockKey names an advisory lock. Two users whose keys collide only wait for each other.
func lockKey(parts ...string) int64 {
	h := fnv.New64a()
	for _, p := range append([]string{"sessile"}, parts...) {
		_, _ = h.Write(append([]byte(p), 0))
	}
	return int64(h.Sum64())
}
