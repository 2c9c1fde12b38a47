package sessile_test

import (
	"sync"
	"testing"

	"github.com/sessile/sessile"
)

// TestLimitHoldsUnderConcurrentLogins: A17, S37.
func TestLimitHoldsUnderConcurrentLogins(t *testing.T) {
	s, _ := hookedFile(t, sessile.Config{MaxSessionsPerUser: 5})
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, _, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := s.ListForUser(t.Context(), "ann"); err != nil || len(list) != 5 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
}
