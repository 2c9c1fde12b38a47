package cache

import (
	"iter"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// How many entries one eviction passes over, so that it cannot stall the owner.
const (
	secondChances = 128  // referenced ones
	pinnedEntries = 1024 // pinned ones: each is passed over once
)

// Set is the owner's half: which sessions are in memory, and in which order they
// leave. It is bounded by entries and by bytes. Nothing that it does shows to a
// reader before the [Index] has published it. The zero value is not usable; see [New].
type Set[V any] struct {
	entries int
	bytes   int64
	index   *Index[V] // only looked at
	ids     map[[16]byte]*Entry[V]
	users   map[string]*Group[V]
	order   *simplelru.LRU[*Entry[V], struct{}] // by recency: the unpinned entries, and pinned ones that no eviction has met
	changed []*Entry[V]                         // since the last publication
	size    int64
	pinned  int
	evicted uint64
}

// ByKey finds an entry by its key or second key, as of the last publication: a key
// that has been given since is found from the next one on. What has been removed or
// has lost the key since is not found.
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

// ByID finds an entry by id.
func (s *Set[V]) ByID(id [16]byte) *Entry[V] { return s.ids[id] }

// ByUser yields the entries of a user, none for "". The entry that was yielded
// may be removed while iterating.
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

// Has reports whether a user has entries.
func (s *Set[V]) Has(user string) bool { return s.users[user] != nil }

// Detach takes the entries of a user but keep out of the list of that user, all at
// once, and returns them. They are in the set until they are removed. It returns nil
// if there is none.
func (s *Set[V]) Detach(user string, keep *Entry[V]) *Group[V] {
	g := s.users[user]
	if g == nil {
		return nil
	}
	delete(s.users, user)
	if keep != nil && keep.group == g {
		s.unlink(keep)
		s.link(keep, user)
	}
	if g.head == nil {
		return nil
	}
	return g
}

// Add makes a new entry, the newest, and evicts others to stay within bounds. It
// panics if the id is there already.
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

// Put gives an entry a new value, which is an access like a read.
func (s *Set[V]) Put(e *Entry[V], v *V, cost int) {
	s.size += int64(cost) - int64(e.cost)
	e.cost, e.now = int32(cost), v
	e.refer()
	s.change(e)
	s.trim(e)
}

// Rekey replaces an entry's key.
func (s *Set[V]) Rekey(e *Entry[V], key [32]byte) {
	e.node = &node[V]{key: key} // a reader may stand on the old one
	s.change(e)
}

// Alias gives an entry a second key, instead of an earlier one.
func (s *Set[V]) Alias(e *Entry[V], key [32]byte) {
	if e.alias == nil {
		e.alias = new(alias[V])
	}
	e.alias.node = &node[V]{key: key}
	s.change(e)
}

// Unalias takes the second key away.
func (s *Set[V]) Unalias(e *Entry[V]) {
	if e.alias != nil {
		e.alias.node = nil
		s.change(e)
	}
}

// change notes that readers do not see yet what has become of an entry.
func (s *Set[V]) change(e *Entry[V]) {
	if !e.changed {
		e.changed = true
		s.changed = append(s.changed, e)
	}
}

// Changed returns the entries that have changed since the last publication.
func (s *Set[V]) Changed() []*Entry[V] { return s.changed }

// Published notes that all of that has been published.
func (s *Set[V]) Published() {
	for _, e := range s.changed {
		e.changed = false
	}
	clear(s.changed)
	if s.changed = s.changed[:0]; cap(s.changed) > 4096 {
		s.changed = nil // after a burst
	}
}

// Pin keeps an entry from eviction until it has been unpinned as often. It stays
// where it is in the order, until an eviction meets it there: most are unpinned before.
func (s *Set[V]) Pin(e *Entry[V]) {
	if e.pins++; e.pins == 1 && e.resident {
		s.pinned++
	}
}

// Unpin takes one pin away. Without any the entry may be evicted again, which may
// happen at once, and leaves if there has been a Clear.
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

// enqueue makes the entry the newest of the order, unless it is there.
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

// Remove takes an entry out.
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

// Clear takes out everything that is not pinned. What is leaves when it is unpinned.
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

// Len returns the number of entries, pinned ones included.
func (s *Set[V]) Len() int { return len(s.ids) }

// Bytes returns what the entries cost together.
func (s *Set[V]) Bytes() int64 { return s.size }

// Pinned returns the number of pinned entries.
func (s *Set[V]) Pinned() int { return s.pinned }

// Evictions returns how many entries had to leave for others.
func (s *Set[V]) Evictions() uint64 { return s.evicted }

// trim evicts until the set is within bounds, but not keep, and nothing pinned.
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

// victim is the entry to evict: the least recently used one that no reader has
// referenced since its last chance. It is nil if there is none, or if too many
// pinned ones stand before it: the next Add, Put or Unpin looks further.
func (s *Set[V]) victim(keep *Entry[V]) *Entry[V] {
	for chances, pinned := 0, 0; ; {
		e, _, ok := s.order.GetOldest()
		switch {
		case !ok || e == keep && s.order.Len() == 1 || pinned == pinnedEntries:
			return nil
		case e.pins > 0:
			s.dequeue(e) // Unpin brings it back
			pinned++
		case chances < secondChances && (e == keep || e.referenced.Swap(false)):
			s.order.Get(e) // makes it the newest
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
