package cache

import (
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// Index is the published half: values by key. It has one writer and any number of lock-free
// readers. Buckets and links are atomic pointers. A node is complete before it is linked. An
// unlinked node still leads to the rest of its chain.
//
// Keys are SHA-256 hashes, so their first bytes select the bucket. The number of buckets is
// fixed, because the set is bounded. Pages of buckets are allocated on first use: empty buckets
// would cost garbage collection time (measured: a megabyte of them slowed a request by a tenth).
type Index[V any] struct {
	pages []atomic.Pointer[page[V]]
	mask  uint64 // for the bucket number
}

const (
	pageBits = 6
	pageMask = 1<<pageBits - 1
)

type page[V any] [1 << pageBits]atomic.Pointer[node[V]]

type node[V any] struct {
	key   [32]byte
	entry atomic.Pointer[Entry[V]] // nil once removed
	next  atomic.Pointer[node[V]]
}

// Get returns the value of a key, or nil. Any goroutine may call it. It takes no lock and
// allocates nothing.
func (x *Index[V]) Get(key *[32]byte) *V {
	n := x.find(key)
	if n == nil {
		return nil
	}
	return n.value()
}

// value returns the value of n's key, or nil if n was removed. It checks n again after reading
// the value, to end this race:
//
//  1. A reader finds n.
//  2. The owner rekeys the entry, removes n, and publishes a value for the new key.
//  3. The reader loads the value, which belongs to another key.
func (n *node[V]) value() *V {
	e := n.entry.Load()
	if e == nil {
		return nil
	}
	e.refer()
	v := e.value.Load()
	if n.entry.Load() == nil {
		return nil
	}
	return v
}

// newIndex returns an index with at least one bucket per entry.
func newIndex[V any](entries int) *Index[V] {
	n := uint64(1) << bits.Len(uint(max(entries, 1<<pageBits)-1))
	return &Index[V]{pages: make([]atomic.Pointer[page[V]], n>>pageBits), mask: n - 1}
}

// place returns the page of a key's bucket, and the bucket's position in it.
func (x *Index[V]) place(key *[32]byte) (*atomic.Pointer[page[V]], uint64) {
	i := binary.LittleEndian.Uint64(key[:8]) & x.mask
	return &x.pages[i>>pageBits], i & pageMask
}

// find returns the node of a key. The comparison takes constant time.
func (x *Index[V]) find(key *[32]byte) *node[V] {
	at, i := x.place(key)
	p := at.Load()
	if p == nil {
		return nil
	}
	for n := p[i].Load(); n != nil; n = n.next.Load() {
		if subtle.ConstantTimeCompare(n.key[:], key[:]) == 1 {
			return n
		}
	}
	return nil
}

// insert links the new node n at the front of its bucket.
func (x *Index[V]) insert(n *node[V], e *Entry[V]) {
	n.entry.Store(e)
	at, i := x.place(&n.key)
	p := at.Load()
	if p == nil {
		p = new(page[V])
		at.Store(p)
	}
	n.next.Store(p[i].Load())
	p[i].Store(n)
}

// remove unlinks n. A reader that is at n continues with the rest of the chain.
func (x *Index[V]) remove(n *node[V]) {
	n.entry.Store(nil)
	at, i := x.place(&n.key)
	link := &at.Load()[i]
	for m := link.Load(); m != nil; m = link.Load() {
		if m == n {
			link.Store(n.next.Load())
			return
		}
		link = &m.next
	}
}
