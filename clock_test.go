package sessile_test

import (
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// TestTheClockFollowsTheWall: between two looks at the wall clock it counts on by itself.
func TestTheClockFollowsTheWall(t *testing.T) {
	s, _ := openGated(t, sessile.Config{})
	last := time.Time{}
	for range 10_000 {
		before := time.Now().Truncate(time.Microsecond)
		now := s.Now()
		after := time.Now()
		if now.Before(before.Add(-time.Millisecond)) || now.After(after.Add(time.Millisecond)) || now.Location() != time.UTC {
			t.Fatalf("%v is not between %v and %v", now, before, after)
		}
		if now.Before(last.Add(-time.Millisecond)) {
			t.Fatalf("%v comes after %v", now, last)
		}
		last = now
	}
}
