package cache

import (
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// index finds nodes by key. It has one writer and any number of readers, who
// take no lock: buckets and links are atomic pointers, a node is complete before
// it is linked, and an unlinked node still leads on to the rest of its chain.
// The keys are SHA-256 hashes, so their first bytes are the bucket's number,
// and the size is fixed, since the set is bounded.
type index[V any] struct {
	buckets []atomic.Pointer[node[V]]
	mask    uint64
}

type node[V any] struct {
	key   [32]byte
	entry *Entry[V]
	next  atomic.Pointer[node[V]]
}

// newIndex makes one bucket or more per entry.
func newIndex[V any](entries int) index[V] {
	n := uint64(1) << bits.Len(uint(max(entries, 16)-1))
	return index[V]{buckets: make([]atomic.Pointer[node[V]], n), mask: n - 1}
}

func (x *index[V]) bucket(key *[32]byte) *atomic.Pointer[node[V]] {
	return &x.buckets[binary.LittleEndian.Uint64(key[:8])&x.mask]
}

// find returns the node of a key. The comparison takes the same time wherever
// the keys differ (S5).
func (x *index[V]) find(key *[32]byte) *node[V] {
	for n := x.bucket(key).Load(); n != nil; n = n.next.Load() {
		if subtle.ConstantTimeCompare(n.key[:], key[:]) == 1 {
			return n
		}
	}
	return nil
}

// insert links n, which is new, in front of the bucket of a key of e.
func (x *index[V]) insert(n *node[V], key [32]byte, e *Entry[V]) {
	n.key, n.entry = key, e
	b := x.bucket(&n.key)
	n.next.Store(b.Load())
	b.Store(n)
}

// remove unlinks n. A reader that stands on it goes on to the rest of the chain.
func (x *index[V]) remove(n *node[V]) {
	link := x.bucket(&n.key)
	for m := link.Load(); m != nil; m = link.Load() {
		if m == n {
			link.Store(n.next.Load())
			return
		}
		link = &m.next
	}
}
