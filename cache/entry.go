// Package cache is the hot set, in two halves. The [Set] is its owner's: entries by
// id and by user, the order of eviction, pins. The [Index] is what anybody may read
// while the owner goes on: values by token hash, without a lock. The owner decides in
// the Set; what it has decided shows when the methods of the Index publish it, and
// whoever calls them chooses their order. Both halves, but [Index.Get], belong to one goroutine.
//
// The package is generic over the published value, which must be immutable, and
// refuses to know time, disk and policy. It carries no compatibility promise.
package cache

import (
	"math"

	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// New returns the two halves of an empty set of at most entries entries that cost
// at most bytes. It panics unless both are positive.
func New[V any](entries int, bytes int64) (*Set[V], *Index[V]) {
	if entries <= 0 || bytes <= 0 {
		panic("cache: bounds must be positive")
	}
	order, err := simplelru.NewLRU[*Entry[V], struct{}](math.MaxInt, nil) // bounded here, by two measures
	if err != nil {
		panic(err)
	}
	x := newIndex[V](entries)
	return &Set[V]{
		entries: entries, bytes: bytes, index: x, order: order,
		ids: make(map[[16]byte]*Entry[V]), users: make(map[string]*Group[V]),
	}, x
}

// Entry is one resident session. Its methods are the owner's. What a reader
// touches stands together in front: 64 bytes, a cache line.
type Entry[V any] struct {
	first      node[V]           // of the key that it came with
	value      atomic.Pointer[V] // as published; nil once it is removed: a late reader finds nothing
	referenced atomic.Bool
	resident   bool
	ordered    bool // it is in the order
	leaving    bool // when it is unpinned: there was a Clear
	changed    bool // since the last publication

	now        *V       // the value as decided
	node       *node[V] // of its key as decided: first, unless it was rekeyed
	shown      *node[V] // as published
	alias      *alias[V]
	group      *Group[V] // of its user
	next, prev *Entry[V] // in the group
	cost       int32
	pins       int32
	id         [16]byte
}

// alias is the second key of an entry: as decided, and as published; nil for none.
type alias[V any] struct{ node, shown *node[V] }

// Group is the entries of one user.
type Group[V any] struct {
	user string
	head *Entry[V]
}

// First returns an entry of the group, nil if it is empty.
func (g *Group[V]) First() *Entry[V] { return g.head }

// Key returns the entry's key.
func (e *Entry[V]) Key() [32]byte { return e.node.key }

// ID returns the entry's id.
func (e *Entry[V]) ID() [16]byte { return e.id }

// User returns the entry's user.
func (e *Entry[V]) User() string {
	if e.group == nil {
		return ""
	}
	return e.group.user
}

// Value returns the entry's value, nil once it is removed.
func (e *Entry[V]) Value() *V { return e.now }

// Resident reports whether the entry is in the set.
func (e *Entry[V]) Resident() bool { return e.resident }

// Pinned reports whether the entry is kept from eviction.
func (e *Entry[V]) Pinned() bool { return e.pins > 0 }

// Leaving reports whether the entry leaves when it is unpinned.
func (e *Entry[V]) Leaving() bool { return e.leaving }

// refer gives the entry a second chance when its turn to leave comes.
func (e *Entry[V]) refer() {
	if !e.referenced.Load() {
		e.referenced.Store(true)
	}
}
