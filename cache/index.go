package cache

import (
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// Index is the published half: values by key. It has one writer and any number of
// readers, who take no lock: buckets and links are atomic pointers, a node is
// complete before it is linked, and an unlinked node still leads on to the rest of
// its chain. The keys are SHA-256 hashes, so their first bytes are the bucket's
// number, and the size is fixed, since the set is bounded. Buckets come in pages,
// which are made when they are first needed: what a small set does not need the
// garbage collector need not look through (measured: a megabyte of empty buckets
// cost a request a tenth).
type Index[V any] struct {
	pages []atomic.Pointer[page[V]]
	mask  uint64 // of the bucket's number
}

const (
	pageBits = 6
	pageMask = 1<<pageBits - 1
)

type page[V any] [1 << pageBits]atomic.Pointer[node[V]]

type node[V any] struct {
	key   [32]byte
	entry atomic.Pointer[Entry[V]] // nil once it is removed
	next  atomic.Pointer[node[V]]
}

// Get finds the value of a key, nil if it is not there. Any goroutine may call it. It
// takes no lock and allocates nothing.
func (x *Index[V]) Get(key *[32]byte) *V {
	n := x.find(key)
	if n == nil {
		return nil
	}
	return n.value()
}

// value is that of n's key, nil if n has been removed. A reader may have found n and
// slept: what its entry has by now may belong to another key, so n must still be there
// after the value was read.
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

// newIndex makes one bucket or more per entry.
func newIndex[V any](entries int) *Index[V] {
	n := uint64(1) << bits.Len(uint(max(entries, 1<<pageBits)-1))
	return &Index[V]{pages: make([]atomic.Pointer[page[V]], n>>pageBits), mask: n - 1}
}

// place is where a key's bucket is: the page, and the bucket in it.
func (x *Index[V]) place(key *[32]byte) (*atomic.Pointer[page[V]], uint64) {
	i := binary.LittleEndian.Uint64(key[:8]) & x.mask
	return &x.pages[i>>pageBits], i & pageMask
}

// find returns the node of a key. The comparison takes the same time wherever
// the keys differ.
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

// insert links n, which is new, in front of the bucket of its key.
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

// remove unlinks n. A reader that stands on it goes on to the rest of the chain.
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
