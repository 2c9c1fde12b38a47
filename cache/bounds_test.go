package cache_test

import (
	"testing"
)

// TestBoundOfBytesIsReachedAndNotPassed checks that a set may use exactly its bytes.
func TestBoundOfBytesIsReachedAndNotPassed(t *testing.T) { // S45
	h := newHot(100, 10)
	for n, cost := range []int{4, 6} {
		h.Add(id(n), "u", key(n), &value{key(n)}, cost)
	}
	if h.Len() != 2 || h.Bytes() != 10 {
		t.Fatalf("%d entries of %d bytes, want 2 of 10", h.Len(), h.Bytes())
	}
	h.Put(h.ByID(id(1)), &value{key(1)}, 7)
	if h.ByID(id(0)) != nil || h.Bytes() != 7 {
		t.Fatalf("%d entries of %d bytes, want the newest alone", h.Len(), h.Bytes())
	}
}

func TestUnpinBeyondTheBoundEvictsAtOnce(t *testing.T) {
	h := newHot(1, 1<<20)
	h.Pin(add(h, 0, "u"))
	h.Pin(add(h, 1, "u"))
	if h.Len() != 2 {
		t.Fatal("a pinned entry was evicted")
	}
	h.Unpin(h.ByID(id(0)))
	if h.ByID(id(0)) != nil || h.ByID(id(1)) == nil {
		t.Fatal("the set stays beyond its bound")
	}
}

// TestEvictionContinuesPastManyReferencedEntries: an eviction does not give every entry a second chance.
func TestEvictionContinuesPastManyReferencedEntries(t *testing.T) {
	const n = 300
	h := newHot(n, 1<<20)
	for i := range n {
		add(h, i, "u")
	}
	for i := range n {
		if !has(h, i) {
			t.Fatal(i)
		}
	}
	add(h, n, "u")
	if h.Len() != n || h.Evictions() != 1 || h.ByID(id(n)) == nil {
		t.Fatalf("%d entries after %d evictions, want %d after one", h.Len(), h.Evictions(), n)
	}
}

// TestEvictionSparesTheEntryThatGrows even if every other entry has a second chance.
func TestEvictionSparesTheEntryThatGrows(t *testing.T) {
	const n = 300
	h := newHot(n, n)
	for i := range n {
		add(h, i, "u")
	}
	for i := range n {
		for k := range n {
			has(h, k) // all have a second chance
		}
		h.Put(h.ByID(id(i)), &value{key(i)}, 2)
		if h.ByID(id(i)) == nil {
			t.Fatalf("entry %d was evicted because it grew", i)
		}
		if h.Put(h.ByID(id(i)), &value{key(i)}, 1); h.Bytes() > n {
			t.Fatalf("%d bytes", h.Bytes())
		}
		for k := range n {
			if h.ByID(id(k)) == nil {
				add(h, k, "u")
			}
		}
	}
}

// TestEvictionIsDelayedByManyPinnedEntriesInARow: one eviction does not look at all of them, but
// each eviction gets further than the one before.
func TestEvictionIsDelayedByManyPinnedEntriesInARow(t *testing.T) {
	const pinned, bound = 10_000, 15_000
	h := newHot(bound, 1<<40)
	for i := range bound {
		if e := add(h, i, "u"); i < pinned {
			h.Pin(e)
		}
	}
	most := 0
	for i := range 100 {
		add(h, bound+i, "u")
		most = max(most, h.Len())
	}
	if h.Len() != bound || most == bound || most > bound+pinned/1000 {
		t.Fatalf("%d entries, %d at most, want %d", h.Len(), most, bound)
	}
	for i := range pinned {
		h.Unpin(h.ByID(id(i)))
	}
	for i := range bound {
		add(h, 100_000+i, "u")
	}
	if h.Len() != bound || h.ByID(id(0)) != nil {
		t.Fatalf("%d entries, or what was pinned once stays for ever", h.Len())
	}
}

func TestBoundThatIsNotPositivePanics(t *testing.T) {
	for _, b := range []struct {
		entries int
		bytes   int64
	}{{0, 1}, {1, 0}, {-1, 1}, {1, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic with %d entries, %d bytes", b.entries, b.bytes)
				}
			}()
			newHot(b.entries, b.bytes)
		}()
	}
	newHot(1, 1)
}
