// Package cache holds the sessions in memory, in two halves. The [Set] belongs to its owner:
// entries by ID and by user, eviction order, pins. The [Index] is what readers use without a
// lock: values by token hash. The owner changes the Set. Readers see a change when the owner
// publishes it through the methods of the Index, in the order it chooses. Only [Index.Get]
// may be called by any goroutine; everything else belongs to one.
//
// The package is generic over the published value, which must be immutable. It knows nothing
// of time, disk or policy, and makes no compatibility promise.
package cache

import (
	"math"

	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// New returns the two halves of an empty set that holds at most entries entries with a total
// cost of at most bytes. It panics unless both are positive.
func New[V any](entries int, bytes int64) (*Set[V], *Index[V]) {
	if entries <= 0 || bytes <= 0 {
		panic("cache: bounds must be positive")
	}
	order, err := simplelru.NewLRU[*Entry[V], struct{}](math.MaxInt, nil) // the Set enforces its own two bounds
	if err != nil {
		panic(err)
	}
	x := newIndex[V](entries)
	return &Set[V]{
		entries: entries, bytes: bytes, index: x, order: order,
		ids: make(map[[16]byte]*Entry[V]), users: make(map[string]*Group[V]),
	}, x
}

// Entry is one resident session. Only the owner calls its methods. The fields that readers use
// come first, in one cache line of 64 bytes.
type Entry[V any] struct {
	first      node[V]           // node of the first key
	value      atomic.Pointer[V] // as published; nil once removed, so that a late reader finds nothing
	referenced atomic.Bool
	resident   bool
	ordered    bool // in the eviction order
	leaving    bool // remove it when it is unpinned, after a Clear
	changed    bool // since the last publication

	now        *V       // current value, maybe not published yet
	node       *node[V] // node of the current key: first, unless it was rekeyed
	shown      *node[V] // node that is published
	alias      *alias[V]
	group      *Group[V] // the entries of its user
	next, prev *Entry[V] // neighbours in the group
	cost       int32
	pins       int32
	id         [16]byte
}

// alias is the second key of an entry: the current one and the published one, nil for none.
type alias[V any] struct{ node, shown *node[V] }

// Group holds the entries of one user.
type Group[V any] struct {
	user     string
	head     *Entry[V]
	detached bool
}

// First returns an entry of the group, or nil if the group is empty.
func (g *Group[V]) First() *Entry[V] { return g.head }

// Key returns the entry's key.
func (e *Entry[V]) Key() [32]byte { return e.node.key }

// ID returns the entry's ID.
func (e *Entry[V]) ID() [16]byte { return e.id }

// Cost returns the entry's cost, as given to Add or the last Put.
func (e *Entry[V]) Cost() int { return int(e.cost) }

// User returns the entry's user.
func (e *Entry[V]) User() string {
	if e.group == nil {
		return ""
	}
	return e.group.user
}

// Value returns the entry's value, or nil once the entry is removed.
func (e *Entry[V]) Value() *V { return e.now }

// Resident reports whether the entry is in the set.
func (e *Entry[V]) Resident() bool { return e.resident }

// Detached reports whether Detach has removed the entry from its user's list.
func (e *Entry[V]) Detached() bool { return e.group != nil && e.group.detached }

// Pinned reports whether the entry is protected from eviction.
func (e *Entry[V]) Pinned() bool { return e.pins > 0 }

// Leaving reports whether the entry is removed when it is unpinned.
func (e *Entry[V]) Leaving() bool { return e.leaving }

// refer gives the entry a second chance at its next eviction.
func (e *Entry[V]) refer() {
	if !e.referenced.Load() {
		e.referenced.Store(true)
	}
}
