package middleware

import (
	"testing"
	"time"
)

func TestRecentForgetsTheOldestOfTooMany(t *testing.T) {
	var r recent
	at := time.Unix(1, 0)
	for key := range uint64(2*maxRecent + 1) {
		if !r.add(key, at) {
			t.Fatalf("key %d is not new", key)
		}
		if !r.contains(0, at) && key < 2*maxRecent {
			t.Fatalf("key 0 is forgotten after %d more", key)
		}
	}
	if r.contains(0, at) || !r.contains(maxRecent, at) || !r.contains(2*maxRecent, at) {
		t.Error("not the oldest keys are forgotten")
	}
}

func TestRecentForgetsAfterAMinute(t *testing.T) {
	var r recent
	at := time.Unix(1, 0)
	r.add(1, at)
	if r.add(1, at.Add(justNow-1)) || !r.contains(1, at.Add(justNow-1)) {
		t.Error("forgotten within the minute")
	}
	if r.contains(1, at.Add(justNow)) || !r.add(1, at.Add(justNow)) {
		t.Error("remembered for longer than a minute")
	}
	for minute := range 3 {
		r.add(2, at.Add(time.Duration(minute)*2*justNow))
	}
	if len(r.now)+len(r.past) > 2 {
		t.Error("keys that are forgotten take memory")
	}
}

func TestAdoptionsForgetTheOldestOfTooMany(t *testing.T) {
	var all adoptions
	at := time.Unix(1, 0)
	key := func(n int) (k [32]byte) {
		k[0], k[1] = byte(n), byte(n>>8)
		return k
	}
	for n := range 2 * maxRecent {
		if _, first := all.enter(key(n), at); !first {
			t.Fatalf("adoption %d is not the first", n)
		}
		if _, first := all.enter(key(0), at); first != (n == 2*maxRecent-1) {
			t.Fatalf("the oldest after %d more: first is %t", n, first)
		}
	}
}
