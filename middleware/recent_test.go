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
