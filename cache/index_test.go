package cache

import "testing"

// The race was found by a linearizability run of 100,000 histories:
//
//  1. A reader finds a key and pauses.
//  2. The key is removed, and the entry gets a value for another key.
//  3. The reader continues. It must find nothing.
func TestGetAfterARekeyDoesNotReturnTheValueOfAnotherKey(t *testing.T) { // I2, R6
	first, second, third := [32]byte{1}, [32]byte{2}, [32]byte{3}
	for name, change := range map[string]func(*Set[int], *Entry[int]){
		"rekeyed": func(h *Set[int], e *Entry[int]) { h.Rekey(e, third) },
		"removed": func(h *Set[int], e *Entry[int]) { h.Remove(e) },
	} {
		t.Run(name, func(t *testing.T) {
			h, x := New[int](4, 100)
			e := h.Add([16]byte{1}, "u", first, new(1), 1)
			h.Alias(e, second)
			x.Add(h.Changed())
			x.Alias(h.Changed())
			key, alias := x.find(&first), x.find(&second)
			if *key.value() != 1 || *alias.value() != 1 {
				t.Fatal("it is there")
			}
			change(h, e)
			h.Unalias(e)
			x.Remove(h.Changed())
			x.Unalias(h.Changed())
			x.Rekey(h.Changed())
			e.value.Store(new(2))
			if key.value() != nil || alias.value() != nil {
				t.Error("a key that was taken away has a value")
			}
		})
	}
}
