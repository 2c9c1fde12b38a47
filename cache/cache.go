// Package cache is the hot set: recency order, and an index by token hash that
// anybody may read while its owner changes it. One goroutine, the owner, calls
// everything but [Hot.Get]; Get may be called from any goroutine, takes no lock
// and allocates nothing.
//
// It is generic over the published value, which must be immutable, and refuses
// to know time, disk and policy. It carries no compatibility promise.
package cache

import (
	"iter"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// How many entries one eviction passes over, so that it cannot stall the owner.
const (
	secondChances = 128  // referenced ones
	pinnedEntries = 1024 // pinned ones: each is passed over once
)

// Hot is a bounded set of entries. The zero value is not usable; see [New].
type Hot[V any] struct {
	entries int
	bytes   int64
	index   index[V]
	ids     map[[16]byte]*Entry[V]
	users   map[string]*Entry[V]                // head of the user's list
	order   *simplelru.LRU[*Entry[V], struct{}] // by recency: the unpinned entries, and pinned ones that no eviction has met
	size    int64
	pinned  int
	evicted uint64
}

// Entry is one resident session. Its methods are the owner's. What a reader
// touches stands together in front: 64 bytes, a cache line.
type Entry[V any] struct {
	first      node[V]           // of the key that it came with
	value      atomic.Pointer[V] // nil once it is removed: a late reader finds nothing
	referenced atomic.Bool
	pinned     bool
	ordered    bool // it is in the order
	resident   bool
	node       *node[V] // of its key now: first, unless it was rekeyed
	alias      *node[V] // of a second key, or nil
	id         [16]byte
	user       string
	cost       int
	next, prev *Entry[V] // of the same user
}

// Key returns the entry's key.
func (e *Entry[V]) Key() [32]byte { return e.node.key }

// ID returns the entry's id.
func (e *Entry[V]) ID() [16]byte { return e.id }

// User returns the entry's user.
func (e *Entry[V]) User() string { return e.user }

// Value returns the published value, nil once the entry is removed.
func (e *Entry[V]) Value() *V { return e.value.Load() }

// Pinned reports whether the entry is kept from eviction.
func (e *Entry[V]) Pinned() bool { return e.pinned }

// New returns an empty set of at most entries entries that cost at most bytes.
// It panics unless both are positive.
func New[V any](entries int, bytes int64) *Hot[V] {
	if entries <= 0 || bytes <= 0 {
		panic("cache: bounds must be positive")
	}
	order, err := simplelru.NewLRU[*Entry[V], struct{}](1<<62, nil) // bounded here, by two measures
	if err != nil {
		panic(err)
	}
	return &Hot[V]{
		entries: entries, bytes: bytes, index: newIndex[V](entries), order: order,
		ids: make(map[[16]byte]*Entry[V]), users: make(map[string]*Entry[V]),
	}
}

// Get finds the value of a key, nil if it is not there. Any goroutine may call it.
func (h *Hot[V]) Get(key *[32]byte) *V {
	n := h.index.find(key)
	if n == nil {
		return nil
	}
	return n.value()
}

// ByKey finds an entry by its key or alias.
func (h *Hot[V]) ByKey(key [32]byte) *Entry[V] {
	if n := h.index.find(&key); n != nil {
		return n.entry.Load()
	}
	return nil
}

// ByID finds an entry by id.
func (h *Hot[V]) ByID(id [16]byte) *Entry[V] { return h.ids[id] }

// ByUser yields the entries of a user, none for "". The entry that was yielded
// may be removed while iterating.
func (h *Hot[V]) ByUser(user string) iter.Seq[*Entry[V]] {
	return func(yield func(*Entry[V]) bool) {
		for e := h.users[user]; e != nil; {
			next := e.next
			if !yield(e) {
				return
			}
			e = next
		}
	}
}

// Add publishes a new entry as the newest, and evicts others to stay within
// bounds. It panics if the id or the key is there already.
func (h *Hot[V]) Add(id [16]byte, user string, key [32]byte, v *V, cost int) *Entry[V] {
	if h.ids[id] != nil || h.index.find(&key) != nil {
		panic("cache: entry is there already")
	}
	e := &Entry[V]{id: id, user: user, cost: cost, resident: true}
	e.value.Store(v)
	h.ids[id] = e
	h.link(e)
	h.size += int64(cost)
	h.enqueue(e)
	e.node = &e.first
	h.index.insert(e.node, key, e)
	h.trim(e)
	return e
}

// Set publishes a new value of an entry, which is an access like a read.
func (h *Hot[V]) Set(e *Entry[V], v *V, cost int) {
	h.size += int64(cost - e.cost)
	e.cost = cost
	e.value.Store(v)
	e.refer()
	h.trim(e)
}

// refer gives the entry a second chance when its turn to leave comes.
func (e *Entry[V]) refer() {
	if !e.referenced.Load() {
		e.referenced.Store(true)
	}
}

// Rekey replaces an entry's key. There is no moment in which neither finds it,
// and when Rekey returns the old key finds nothing.
func (h *Hot[V]) Rekey(e *Entry[V], key [32]byte) {
	old := e.node
	e.node = new(node[V]) // a reader may stand on the old one
	h.index.insert(e.node, key, e)
	h.index.remove(old)
}

// Alias makes a second key find the entry, instead of an earlier second key.
func (h *Hot[V]) Alias(e *Entry[V], key [32]byte) {
	h.Unalias(e)
	e.alias = new(node[V])
	h.index.insert(e.alias, key, e)
}

// Unalias takes the second key away.
func (h *Hot[V]) Unalias(e *Entry[V]) {
	if e.alias != nil {
		h.index.remove(e.alias)
		e.alias = nil
	}
}

// Pin keeps an entry from eviction. It stays where it is in the order, until an
// eviction meets it there: most are unpinned before.
func (h *Hot[V]) Pin(e *Entry[V]) {
	if e.resident && !e.pinned {
		e.pinned = true
		h.pinned++
	}
}

// Unpin lets an entry be evicted again, which may happen at once.
func (h *Hot[V]) Unpin(e *Entry[V]) {
	if e.pinned {
		e.pinned = false
		h.pinned--
		h.enqueue(e)
		h.trim(nil)
	}
}

// enqueue makes the entry the newest of the order, unless it is there.
func (h *Hot[V]) enqueue(e *Entry[V]) {
	if !e.ordered {
		e.ordered = true
		h.order.Add(e, struct{}{})
	}
}

func (h *Hot[V]) dequeue(e *Entry[V]) {
	if e.ordered {
		e.ordered = false
		h.order.Remove(e)
	}
}

// Remove takes an entry out: a reader that starts later finds nothing.
func (h *Hot[V]) Remove(e *Entry[V]) {
	if !e.resident {
		return
	}
	e.resident = false
	e.value.Store(nil)
	h.index.remove(e.node)
	h.Unalias(e)
	delete(h.ids, e.id)
	h.unlink(e)
	h.size -= int64(e.cost)
	h.dequeue(e)
	if e.pinned {
		e.pinned = false
		h.pinned--
	}
}

// Clear takes out everything that is not pinned.
func (h *Hot[V]) Clear() {
	for _, e := range h.order.Keys() {
		if !e.pinned {
			h.Remove(e)
		}
	}
}

// Len returns the number of entries, pinned ones included.
func (h *Hot[V]) Len() int { return len(h.ids) }

// Bytes returns what the entries cost together.
func (h *Hot[V]) Bytes() int64 { return h.size }

// Pinned returns the number of pinned entries.
func (h *Hot[V]) Pinned() int { return h.pinned }

// Evictions returns how many entries had to leave for others.
func (h *Hot[V]) Evictions() uint64 { return h.evicted }

// trim evicts until the set is within bounds, but not keep, and nothing pinned.
func (h *Hot[V]) trim(keep *Entry[V]) {
	for len(h.ids) > h.entries || h.size > h.bytes {
		e := h.victim(keep)
		if e == nil {
			return
		}
		h.evicted++
		h.Remove(e)
	}
}

// victim is the entry to evict: the least recently used one that no reader has
// referenced since its last chance. It is nil if there is none, or if too many
// pinned ones stand before it: the next Add, Set or Unpin looks further.
func (h *Hot[V]) victim(keep *Entry[V]) *Entry[V] {
	for chances, pinned := 0, 0; ; {
		e, _, ok := h.order.GetOldest()
		switch {
		case !ok || e == keep && h.order.Len() == 1 || pinned == pinnedEntries:
			return nil
		case e.pinned:
			h.dequeue(e) // Unpin brings it back
			pinned++
		case chances < secondChances && (e == keep || e.referenced.Swap(false)):
			h.order.Get(e) // makes it the newest
			chances++
		case e == keep:
			return nil
		default:
			return e
		}
	}
}

func (h *Hot[V]) link(e *Entry[V]) {
	if e.user == "" {
		return
	}
	head := h.users[e.user]
	e.next = head
	if head != nil {
		head.prev = e
	}
	h.users[e.user] = e
}

func (h *Hot[V]) unlink(e *Entry[V]) {
	if e.user == "" {
		return
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	switch {
	case e.prev != nil:
		e.prev.next = e.next
	case e.next != nil:
		h.users[e.user] = e.next
	default:
		delete(h.users, e.user)
	}
	e.next, e.prev = nil, nil
}
