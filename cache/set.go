package cache

import (
	"iter"
	"maps"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// These bound how many entries one eviction skips, so that it cannot stall the owner.
const (
	secondChances = 128  // referenced entries
	pinnedEntries = 1024 // pinned entries; each is skipped only once
)

// Set is the owner's half: which sessions are in memory, and in which order they are evicted. It
// is bounded by entries and by bytes. Readers see nothing of a change until the [Index] has
// published it. The zero value is not usable; see [New].
type Set[V any] struct {
	entries int
	bytes   int64
	index   *Index[V] // only read here
	ids     map[[16]byte]*Entry[V]
	users   map[string]*Group[V]
	order   *simplelru.LRU[*Entry[V], struct{}] // by recency: unpinned entries, and pinned ones that no eviction has reached
	changed []*Entry[V]                         // since the last publication
	size    int64
	pinned  int
	evicted uint64
}

// ByKey returns the entry of a published key or second key, or nil. A key that was given since
// the last publication is not found yet. A removed entry or key is not found any more.
func (s *Set[V]) ByKey(key [32]byte) *Entry[V] {
	n := s.index.find(&key)
	if n == nil {
		return nil
	}
	e := n.entry.Load()
	if e == nil || !e.resident || n != e.node && (e.alias == nil || n != e.alias.node) {
		return nil
	}
	return e
}

// ByID returns the entry of an ID, or nil.
func (s *Set[V]) ByID(id [16]byte) *Entry[V] { return s.ids[id] }

// All yields every entry. The loop may remove the entry that it was just given.
func (s *Set[V]) All() iter.Seq[*Entry[V]] { return maps.Values(s.ids) }

// ByUser yields the entries of a user; it yields none for "". The loop may remove the entry that
// it was just given.
func (s *Set[V]) ByUser(user string) iter.Seq[*Entry[V]] {
	return func(yield func(*Entry[V]) bool) {
		g := s.users[user]
		if g == nil {
			return
		}
		for e := g.head; e != nil; {
			next := e.next
			if !yield(e) {
				return
			}
			e = next
		}
	}
}

// Has reports whether the set has entries of a user.
func (s *Set[V]) Has(user string) bool { return s.users[user] != nil }

// Detach removes all entries of a user except keep from that user's list in one step, and returns
// them. They stay in the set until they are removed. It returns nil if there are none.
func (s *Set[V]) Detach(user string, keep *Entry[V]) *Group[V] {
	g := s.users[user]
	if g == nil {
		return nil
	}
	delete(s.users, user)
	g.detached = true
	if keep != nil && keep.group == g {
		s.unlink(keep)
		s.link(keep, user)
	}
	if g.head == nil {
		return nil
	}
	return g
}

// Add inserts a new entry as the most recent one, and evicts others to stay within bounds. cost
// counts toward the bytes of [New]. Add panics if the ID is already in the set.
func (s *Set[V]) Add(id [16]byte, user string, key [32]byte, v *V, cost int) *Entry[V] {
	if s.ids[id] != nil {
		panic("cache: entry is there already")
	}
	e := &Entry[V]{id: id, now: v, cost: int32(cost), resident: true}
	e.node = &e.first
	e.node.key = key
	s.ids[id] = e
	s.link(e, user)
	s.size += int64(cost)
	s.enqueue(e)
	s.change(e)
	s.trim(e)
	return e
}

// Put gives an entry a new value. Like a read, this counts as an access.
func (s *Set[V]) Put(e *Entry[V], v *V, cost int) {
	s.size += int64(cost) - int64(e.cost)
	e.cost, e.now = int32(cost), v
	e.refer()
	s.change(e)
	s.trim(e)
}

// Rekey replaces the key of an entry.
func (s *Set[V]) Rekey(e *Entry[V], key [32]byte) {
	e.node = &node[V]{key: key} // a new node, because a reader may be at the old one
	s.change(e)
}

// Alias gives an entry a second key, which replaces an earlier second key.
func (s *Set[V]) Alias(e *Entry[V], key [32]byte) {
	if e.alias == nil {
		e.alias = new(alias[V])
	}
	e.alias.node = &node[V]{key: key}
	s.change(e)
}

// Unalias removes the second key of an entry.
func (s *Set[V]) Unalias(e *Entry[V]) {
	if e.alias != nil {
		e.alias.node = nil
		s.change(e)
	}
}

// change marks an entry as changed since the last publication.
func (s *Set[V]) change(e *Entry[V]) {
	if !e.changed {
		e.changed = true
		s.changed = append(s.changed, e)
	}
}

// Changed returns the entries that have changed since the last publication.
func (s *Set[V]) Changed() []*Entry[V] { return s.changed }

// Published says that all changes have been published.
func (s *Set[V]) Published() {
	for _, e := range s.changed {
		e.changed = false
	}
	clear(s.changed)
	if s.changed = s.changed[:0]; cap(s.changed) > 4096 {
		s.changed = nil // release memory after a burst
	}
}

// Pin protects an entry from eviction until Unpin has been called as often. The entry keeps its
// place in the order until an eviction reaches it: most entries are unpinned before that.
func (s *Set[V]) Pin(e *Entry[V]) {
	if e.pins++; e.pins == 1 && e.resident {
		s.pinned++
	}
}

// Unpin removes one pin. After the last one the entry may be evicted, possibly at once. It is
// removed if there has been a Clear.
func (s *Set[V]) Unpin(e *Entry[V]) {
	if e.pins--; e.pins > 0 || !e.resident {
		return
	}
	s.pinned--
	if e.leaving {
		s.Remove(e)
		return
	}
	s.enqueue(e)
	s.trim(nil)
}

// enqueue makes the entry the most recent one, unless it is in the order already.
func (s *Set[V]) enqueue(e *Entry[V]) {
	if !e.ordered {
		e.ordered = true
		s.order.Add(e, struct{}{})
	}
}

func (s *Set[V]) dequeue(e *Entry[V]) {
	if e.ordered {
		e.ordered = false
		s.order.Remove(e)
	}
}

// Remove removes an entry from the set.
func (s *Set[V]) Remove(e *Entry[V]) {
	if !e.resident {
		return
	}
	e.resident, e.now = false, nil
	delete(s.ids, e.id)
	s.unlink(e)
	s.size -= int64(e.cost)
	s.dequeue(e)
	if e.pins > 0 {
		s.pinned--
	}
	s.change(e)
}

// Clear removes every entry that is not pinned. Pinned entries are removed when they are unpinned.
func (s *Set[V]) Clear() {
	for _, e := range s.order.Keys() {
		if e.pins == 0 {
			s.Remove(e)
		}
	}
	for _, e := range s.ids {
		e.leaving = true
	}
}

// Len returns the number of entries, including pinned ones.
func (s *Set[V]) Len() int { return len(s.ids) }

// Bytes returns the total cost of the entries.
func (s *Set[V]) Bytes() int64 { return s.size }

// Pinned returns the number of pinned entries.
func (s *Set[V]) Pinned() int { return s.pinned }

// Evictions returns how many entries were evicted to make room.
func (s *Set[V]) Evictions() uint64 { return s.evicted }

// trim evicts until the set is within bounds. It never evicts keep or a pinned entry.
func (s *Set[V]) trim(keep *Entry[V]) {
	for len(s.ids) > s.entries || s.size > s.bytes {
		e := s.victim(keep)
		if e == nil {
			return
		}
		s.evicted++
		s.Remove(e)
	}
}

// victim returns the entry to evict: the least recently used one that no reader has used since
// its last second chance. It returns nil if there is none, or if too many pinned entries come
// first. The next Add, Put or Unpin then continues the search.
func (s *Set[V]) victim(keep *Entry[V]) *Entry[V] {
	for chances, pinned := 0, 0; ; {
		e, _, ok := s.order.GetOldest()
		switch {
		case !ok || e == keep && s.order.Len() == 1 || pinned == pinnedEntries:
			return nil
		case e.pins > 0:
			s.dequeue(e) // Unpin puts it back
			pinned++
		case chances < secondChances && (e == keep || e.referenced.Swap(false)):
			s.order.Get(e) // makes it the most recent
			chances++
		case e == keep:
			return nil
		default:
			return e
		}
	}
}

func (s *Set[V]) link(e *Entry[V], user string) {
	if user == "" {
		return
	}
	g := s.users[user]
	if g == nil {
		g = &Group[V]{user: user}
		s.users[user] = g
	}
	e.group, e.next = g, g.head
	if g.head != nil {
		g.head.prev = e
	}
	g.head = e
}

func (s *Set[V]) unlink(e *Entry[V]) {
	g := e.group
	if g == nil {
		return
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		g.head = e.next
	}
	if g.head == nil && s.users[g.user] == g {
		delete(s.users, g.user)
	}
	e.next, e.prev = nil, nil
}
