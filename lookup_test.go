package sessile_test

import (
	"context"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/internal/bridge"
)

// storeCalls are the functions that package middleware calls.
type storeCalls interface {
	Lookup(ctx context.Context, token string) (sessile.Session, bridge.Found, error)
	Renew(ctx context.Context, id sessile.ID, announced bool) (sessile.Session, error)
	Update(ctx context.Context, id sessile.ID, c *sessile.Changes, durable, announced bool) (sessile.Session, error)
	AnnouncedAge(s sessile.Session) time.Duration
}

func callsOf(s *sessile.Store) storeCalls { return bridge.Of(s).(storeCalls) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestLookupReportsWhatIsDue: an access, and an announced access.
func TestLookupReportsWhatIsDue(t *testing.T) {
	clock := behaviour.NewClock()
	s := openIn(t, sessile.WithClock(sessile.Config{}, clock.Now))
	x, tok := login(t, s, "ann")
	calls := callsOf(s)
	due := func(touch, announce bool) {
		t.Helper()
		if _, found, err := calls.Lookup(t.Context(), tok.Reveal()); err != nil || found.TouchDue != touch || found.AnnounceDue != announce {
			t.Errorf("%+v, want %v and %v: %v", found, touch, announce, err)
		}
	}
	due(false, false)
	clock.Advance(time.Hour)
	due(true, true)
	renewed := must(calls.Renew(t.Context(), x.ID(), false))
	due(false, true)
	if age := calls.AnnouncedAge(renewed); age != 0 {
		t.Errorf("announced after %v", age)
	}
	updated := must(calls.Update(t.Context(), x.ID(), new(sessile.Changes).Set("n", 1), false, true))
	due(false, false)
	if age := calls.AnnouncedAge(updated); age != time.Hour {
		t.Errorf("announced after %v", age)
	}
}
