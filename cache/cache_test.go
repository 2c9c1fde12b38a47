package cache_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/sessile/sessile/cache"
)

type value struct{ key [32]byte }

func key(n int) (k [32]byte) {
	r := rand.New(rand.NewPCG(uint64(n), 3))
	for i := 0; i < len(k); i += 8 {
		binary.LittleEndian.PutUint64(k[i:], r.Uint64())
	}
	return k
}

func id(n int) (i [16]byte) { binary.BigEndian.PutUint64(i[:], uint64(n)+1); return i }

func add(h *hot, n int, user string) *cache.Entry[value] {
	return h.Add(id(n), user, key(n), &value{key(n)}, 1)
}

func has(h *hot, n int) bool { k := key(n); return h.Get(&k) != nil }

func TestEvictionTakesTheLeastRecentlyUsedFirst(t *testing.T) {
	h := newHot(3, 1<<20)
	for n := range 4 {
		add(h, n, "u")
	}
	if h.ByID(id(0)) != nil || h.Len() != 3 || h.Evictions() != 1 {
		t.Fatalf("%d entries, %d evictions", h.Len(), h.Evictions())
	}
}

func TestEvictionGivesAReferencedEntryASecondChance(t *testing.T) {
	h := newHot(3, 1<<20)
	for n := range 3 {
		add(h, n, "u")
	}
	if !has(h, 0) {
		t.Fatal("not there")
	}
	add(h, 3, "u")
	if h.ByID(id(0)) == nil || h.ByID(id(1)) != nil {
		t.Fatal("the referenced entry left before the idle one")
	}
	for n := 4; n < 7; n++ {
		add(h, n, "u")
	}
	if h.ByID(id(0)) != nil {
		t.Fatal("one reference is one second chance")
	}
}

// TestEvictionCountsAChangeAsAnAccess: Put gives an entry a second chance. Pinning it for the Put
// does not change its place in the order.
func TestEvictionCountsAChangeAsAnAccess(t *testing.T) {
	h := newHot(3, 1<<20)
	for n := range 3 {
		add(h, n, "u")
	}
	h.Pin(h.ByID(id(0)))
	h.Put(h.ByID(id(0)), &value{key(0)}, 1)
	h.Unpin(h.ByID(id(0)))
	for n := 3; n < 5; n++ {
		add(h, n, "u")
	}
	if h.ByID(id(0)) == nil || h.ByID(id(1)) != nil || h.ByID(id(2)) != nil {
		t.Fatal("the entry that was set left before those that were not")
	}
	for n := 5; n < 7; n++ {
		add(h, n, "u")
	}
	if h.ByID(id(0)) != nil {
		t.Fatal("one change is one second chance")
	}
}

func TestEvictionSparesPinnedEntries(t *testing.T) { // D6
	h := newHot(1, 1<<20)
	a := add(h, 0, "u")
	h.Pin(a)
	for n := 1; n < 10; n++ {
		add(h, n, "u")
	}
	if !has(h, 0) || h.Pinned() != 1 {
		t.Fatal("a pinned entry was evicted")
	}
	h.Unpin(a)
	if h.Len() != 1 {
		t.Fatalf("%d entries after Unpin", h.Len())
	}
}

func TestEvictionKeepsTheBoundOfBytes(t *testing.T) {
	h := newHot(100, 10)
	a := h.Add(id(0), "u", key(0), &value{}, 4)
	h.Add(id(1), "u", key(1), &value{}, 4)
	h.Add(id(2), "u", key(2), &value{}, 4)
	if h.Bytes() > 10 || h.ByID(id(0)) != nil || a.Value() != nil {
		t.Fatalf("%d bytes", h.Bytes())
	}
	h.Put(h.ByID(id(2)), &value{}, 9)
	if h.Bytes() != 9 || h.Len() != 1 {
		t.Fatalf("%d bytes in %d entries", h.Bytes(), h.Len())
	}
}

func TestRekeyMovesAnEntryAndItsAlias(t *testing.T) {
	h := newHot(10, 1<<20)
	e := add(h, 0, "u")
	h.Rekey(e, key(1))
	if has(h, 0) || !has(h, 1) || e.Key() != key(1) {
		t.Fatal("after Rekey")
	}
	h.Alias(e, key(0))
	h.Alias(e, key(2))
	if has(h, 0) || !has(h, 1) || !has(h, 2) {
		t.Fatal("after Alias")
	}
	h.Pin(e)
	h.Remove(e)
	h.Remove(e)
	h.Unpin(e)
	if has(h, 1) || has(h, 2) || h.Len() != 0 {
		t.Fatal("after Remove")
	}
}

// TestSetAgreesWithItsModel runs random commands against the set and a plain map.
func TestSetAgreesWithItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ids, bound = 12, 5
		h := newHot(bound, 1<<20)
		pins := map[int]int{}
		entry := func(t *rapid.T) (int, *cache.Entry[value]) {
			n := rapid.IntRange(0, ids-1).Draw(t, "n")
			return n, h.ByID(id(n))
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				if n, e := entry(t); e == nil {
					add(h, n, string(rune('a'+n%3)))
					if !has(h, n) {
						t.Fatal("the new entry is not there")
					}
				}
			},
			"pin": func(t *rapid.T) {
				if n, e := entry(t); e != nil {
					h.Pin(e)
					pins[n]++
				}
			},
			"unpin": func(t *rapid.T) {
				if n, e := entry(t); e != nil && pins[n] > 0 {
					pins[n]-- // before: it may leave at once
					h.Unpin(e)
				}
			},
			"set": func(t *rapid.T) {
				if n, e := entry(t); e != nil {
					h.Put(e, &value{key(n)}, 1)
				}
			},
			"remove": func(t *rapid.T) {
				if n, e := entry(t); e != nil {
					h.Remove(e)
					delete(pins, n)
					if has(h, n) {
						t.Fatal("found after Remove")
					}
				}
			},
			"clear": func(*rapid.T) { h.Clear() },
			"get":   func(t *rapid.T) { has(h, rapid.IntRange(0, ids-1).Draw(t, "n")) },
			"":      func(t *rapid.T) { checkHot(t, h, pins, ids, bound) },
		})
	})
}

func checkHot(t *rapid.T, h *hot, pins map[int]int, ids, bound int) {
	t.Helper()
	seen := map[string]int{}
	total, pinned := 0, 0
	for n := range ids {
		e := h.ByID(id(n))
		switch {
		case e == nil && pins[n] > 0:
			t.Fatal("a pinned entry is gone")
		case (e != nil) != has(h, n):
			t.Fatal("index and ids disagree")
		case e != nil:
			total++
			seen[e.User()]++
			if e.Pinned() {
				pinned++
			}
			if h.ByKey(key(n)) != e || e.Pinned() != (pins[n] > 0) {
				t.Fatal("entry is not itself")
			}
		}
	}
	for user, want := range seen {
		if got := len(slices.Collect(h.ByUser(user))); got != want {
			t.Fatalf("user %s has %d entries, want %d", user, got, want)
		}
	}
	if total != h.Len() || h.Pinned() != pinned || h.Len() > max(bound, pinned+1) {
		t.Fatalf("%d entries, %d pinned", h.Len(), h.Pinned())
	}
}

// TestGetNeverReturnsTheValueOfAnotherKey runs readers while the owner changes keys (-race).
func TestGetNeverReturnsTheValueOfAnotherKey(t *testing.T) {
	const keys = 200
	h := newHot(64, 1<<20)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 5))
			for !stop.Load() {
				k := key(r.IntN(keys))
				if v := h.Get(&k); v != nil && v.key != k {
					t.Error("another key's value")
					return
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(9, 9))
	for range 30_000 {
		n := r.IntN(keys)
		switch e := h.ByID(id(n)); {
		case e == nil:
			add(h, n, "u")
		case r.IntN(2) == 0:
			h.Put(e, &value{key(n)}, 1)
		default:
			h.Remove(e)
		}
	}
	stop.Store(true)
	readers.Wait()
}

// TestRekeyHasNoGap: a reader that tries the old key and then the new one always finds the entry.
func TestRekeyHasNoGap(t *testing.T) {
	h := newHot(16, 1<<20)
	e := add(h, 0, "u")
	var current atomic.Int64
	var stop atomic.Bool
	var reader sync.WaitGroup
	reader.Go(func() {
		for !stop.Load() {
			n := int(current.Load())
			if !has(h, n) && !has(h, n+1) && int(current.Load()) == n { // otherwise it may be at n+2 by now
				t.Error("neither key finds the entry")
				return
			}
		}
	})
	for n := 1; n < 20_000; n++ {
		h.Rekey(e, key(n))
		current.Store(int64(n))
	}
	stop.Store(true)
	reader.Wait()
}

// TestRekeyHidesTheOldKey: a reader that started before the old key was replaced does not find
// values under it that the entry got later.
func TestRekeyHidesTheOldKey(t *testing.T) { // I2
	h := newHot(16, 1<<20)
	e := add(h, 0, "u")
	var current atomic.Int64
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				k := key(int(current.Load()))
				if v := h.Get(&k); v != nil && v.key != k {
					t.Error("another key's value")
					stop.Store(true)
				}
			}
		})
	}
	for n := 1; n < 200_000 && !stop.Load(); n++ {
		current.Store(int64(n))
		h.Rekey(e, [32]byte{1}) // nobody looks for this key until the value is right
		h.Put(e, &value{key(n)}, 1)
		h.Rekey(e, key(n))
	}
	stop.Store(true)
	readers.Wait()
}

func TestGetAllocatesNothing(t *testing.T) {
	h := newHot(16, 1<<20)
	add(h, 0, "u")
	k := key(0)
	if n := testing.AllocsPerRun(1000, func() { h.Get(&k) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestBoundThatIsUnusablePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	newHot(0, 1)
}

func BenchmarkGet(b *testing.B) {
	const n = 100_000
	h := newHot(n, 1<<40)
	keys := make([][32]byte, n)
	var m sync.Map
	for i := range n {
		add(h, i, "")
		keys[i] = key(i)
		m.Store(keys[i], &value{keys[i]})
	}
	b.Run("Hot", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			h.Get(&keys[i*7919%n])
		}
	})
	b.Run("sync.Map", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Load(keys[i*7919%n])
		}
	})
}
