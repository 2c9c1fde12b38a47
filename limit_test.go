package sessile_test

import (
	"sync"
	"testing"
	"time"

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

func TestLimitEvictsTheLeastRecentlyActive(t *testing.T) { // A17, S37, S38
	suiteWith(t, func(c *sessile.Config) { c.MaxSessionsPerUser = 3 }, func(f *fixture) {
		var toks []sessile.Token
		var ids []sessile.ID
		for range 3 {
			s, tok := f.login("ann")
			toks, ids = append(toks, tok), append(ids, s.ID())
			f.clock.advance(time.Second)
		}
		f.must(f.s().Touch(f.Context(), ids[0], f.clock.t, f.clock.t.Add(time.Hour)))
		f.clock.advance(time.Second)
		_, newest := f.login("ann")
		f.alive(toks[0])
		f.dead(toks[1])
		f.alive(toks[2])
		f.alive(newest)
	})
}

func TestLimitNeverEvictsTheNewSession(t *testing.T) { // a fault of the original: a clock step
	suiteWith(t, func(c *sessile.Config) { c.MaxSessionsPerUser = 1 }, func(f *fixture) {
		f.login("ann")
		f.clock.advance(-time.Hour)
		_, tok := f.login("ann")
		f.alive(tok)
	})
}

func TestLimitDoesNotCountExpiredSessions(t *testing.T) {
	suiteWith(t, func(c *sessile.Config) { c.MaxSessionsPerUser = 2; c.OnLimit = sessile.LimitRefuseNew }, func(f *fixture) {
		for range 2 {
			_, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
			f.must(err)
		}
		_, _, err := f.s().Create(f.Context(), sessile.Meta{}, "ann", nil)
		f.wantErr(err, sessile.ErrLimitReached)
		f.clock.advance(time.Minute)
		f.login("ann")
	})
}
