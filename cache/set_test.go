package cache_test

import "testing"

// TestPublishShowsWhatWasDecided: readers see no change before it is published.
func TestPublishShowsWhatWasDecided(t *testing.T) {
	h := newHot(4, 1<<20)
	e := h.Set.Add(id(0), "u", key(0), &value{key(0)}, 1)
	if has(h, 0) || h.ByID(id(0)) != e {
		t.Fatal("a new entry shows before it is published")
	}
	h.publish()
	h.Set.Rekey(e, key(1))
	h.Set.Alias(e, key(2))
	if !has(h, 0) || has(h, 1) || has(h, 2) || e.Key() != key(1) {
		t.Fatal("keys show before they are published")
	}
	h.publish()
	next := &value{key(1)}
	h.Set.Put(e, next, 1)
	if k := key(1); h.Get(&k) == next || e.Value() != next {
		t.Fatal("a value shows before it is published")
	}
	h.Set.Remove(e)
	if !has(h, 1) || !has(h, 2) || h.ByKey(key(1)) != nil {
		t.Fatal("a removal shows before it is published")
	}
	h.publish()
	if has(h, 1) || has(h, 2) {
		t.Fatal("a removal does not show")
	}
}

// TestPublishNeverShowsAnEntryThatCameAndWentInOneStep: an entry that is added and removed between two publications.
func TestPublishNeverShowsAnEntryThatCameAndWentInOneStep(t *testing.T) {
	h := newHot(4, 1<<20)
	e := h.Set.Add(id(0), "u", key(0), &value{}, 1)
	h.Set.Alias(e, key(1))
	h.Set.Remove(e)
	if h.publish(); has(h, 0) || has(h, 1) {
		t.Fatal("it is found")
	}
}

// TestUnpinOfTheLastPinEvicts: pins are counted.
func TestUnpinOfTheLastPinEvicts(t *testing.T) {
	h := newHot(1, 1<<20)
	e := add(h, 0, "u")
	h.Pin(e)
	h.Pin(e)
	add(h, 1, "u")
	if h.Unpin(e); h.ByID(id(0)) == nil {
		t.Fatal("it left with a pin")
	}
	add(h, 2, "u")
	if h.Unpin(e); h.Pinned() != 0 {
		t.Fatal("a pin is left")
	}
	if add(h, 3, "u"); h.ByID(id(0)) != nil {
		t.Fatal("it stays without a pin")
	}
}

// TestDetachRemovesTheEntryFromItsUser in one step; the entry stays in the set until it is removed.
func TestDetachRemovesTheEntryFromItsUser(t *testing.T) {
	h := newHot(10, 1<<20)
	for n := range 3 {
		add(h, n, "u")
	}
	g := h.Detach("u", h.ByID(id(1)))
	late := add(h, 3, "u")
	var left int
	for e := range h.ByUser("u") {
		if left++; e != late && e.ID() != id(1) || e.Detached() {
			t.Fatal("a detached entry is its user's still")
		}
	}
	for e := g.First(); e != nil; e = g.First() {
		if !e.Detached() || !has(h, int(e.ID()[7])-1) {
			t.Fatal("a detached entry has left the set")
		}
		h.Remove(e)
	}
	if left != 2 || h.Len() != 2 || h.Detach("v", nil) != nil {
		t.Fatalf("%d entries of the user, %d in all, want 2 and 2", left, h.Len())
	}
	h.Remove(late)
	h.Remove(h.ByID(id(1)))
	if h.Detach("u", nil) != nil {
		t.Fatal("a user without entries has a group")
	}
}

func TestAllYieldsEveryEntryAndToleratesItsRemoval(t *testing.T) {
	s := newHot(10, 1000)
	for i := range byte(5) {
		s.Add([16]byte{i}, "u", [32]byte{i}, new(value), 1)
	}
	seen := 0
	for e := range s.All() {
		seen++
		s.Remove(e)
	}
	if seen != 5 || s.Len() != 0 {
		t.Errorf("%d entries were yielded and %d are left, want 5 and 0", seen, s.Len())
	}
}
