package sessile_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// storeCalls is what package middleware calls of a store.
type storeCalls interface {
	Lookup(ctx context.Context, token string) (sessile.Session, bridge.Found, error)
	Renew(ctx context.Context, id sessile.ID, announced bool) (sessile.Session, error)
	Update(ctx context.Context, id sessile.ID, c *sessile.Changes, announced bool) (sessile.Session, error)
	AnnouncedAge(s sessile.Session) time.Duration
}

func callsOf(s *sessile.Store) storeCalls { return bridge.Of(s).(storeCalls) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// same compares what two sessions say, but for what depends on the token.
func same(f *fixture, a, b sessile.Session) {
	f.Helper()
	x, y := string(must(json.Marshal(a)))+string(a.Data().JSON())+a.Fingerprint(), string(must(json.Marshal(b)))+string(b.Data().JSON())+b.Fingerprint()
	if x != y {
		f.Errorf("%s\nwant %s", x, y)
	}
}

// TestLookupFindsWhatReadByTokenFinds, and Read too.
func TestLookupFindsWhatReadByTokenFinds(t *testing.T) {
	suite(t, func(f *fixture) {
		s, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{
			UserID: "ann", Meta: sessile.NewMeta("192.0.2.1", "Firefox", "en"), Data: map[string]int{"n": 1},
		})
		f.must(err)
		f.clock.advance(time.Hour)
		found := must(f.s().Lookup(f.Context(), tok.Reveal()))
		same(f, found, must(f.s().ReadByToken(f.Context(), tok)))
		same(f, found, must(f.s().Read(f.Context(), s.ID())))
		renewed := must(f.s().Renew(f.Context(), s.ID()))
		same(f, renewed, must(f.s().Read(f.Context(), s.ID())))
	})
}

// TestLookupReportsWhatIsDue: an access, and one that is announced to the client.
func TestLookupReportsWhatIsDue(t *testing.T) {
	s := openIn(t, sessile.Config{})
	clock := newClock()
	f := &fixture{T: t, cfg: sessile.WithClock(s.Config(), clock.now), clock: clock}
	f.must(s.Close())
	f.open()
	defer func() { f.must(f.store.Close()) }()
	x, tok := f.login("ann")
	due := func(touch, announce bool) {
		f.Helper()
		if _, found := f.lookup(tok); found.TouchDue != touch || found.AnnounceDue != announce {
			f.Errorf("%+v, want %v and %v", found, touch, announce)
		}
	}
	calls := callsOf(f.store)
	due(false, false)
	f.clock.advance(time.Hour)
	due(true, true)
	renewed := must(calls.Renew(f.Context(), x.ID(), false))
	due(false, true)
	if age := calls.AnnouncedAge(renewed); age != 0 {
		f.Errorf("announced after %v", age)
	}
	updated := must(calls.Update(f.Context(), x.ID(), new(sessile.Changes).Set("n", 1), true))
	due(false, false)
	if age := calls.AnnouncedAge(updated); age != time.Hour {
		f.Errorf("announced after %v", age)
	}
}

// TestLookupThatFindsNothingSaysWhy: it has the errors of ReadByToken, and one for what is
// no token.
func TestLookupThatFindsNothingSaysWhy(t *testing.T) { // S7
	suite(t, func(f *fixture) {
		s, tok, err := f.s().Create(f.Context(), sessile.Meta{}, "ann", nil)
		f.must(err)
		look := func(text string, want error) {
			f.Helper()
			x, err := f.s().Lookup(f.Context(), text)
			if !errors.Is(err, want) || !x.IsZero() {
				f.Errorf("%v, not %v", err, want)
			}
		}
		for _, text := range []string{"", "x", strings.Repeat("A", 52), tok.Reveal() + "A", strings.Repeat("\n", 52)} {
			look(text, sessile.ErrInvalidToken)
		}
		f.must(f.s().Destroy(f.Context(), s.ID()))
		look(tok.Reveal(), sessile.ErrNotFound)
		_, err = f.s().Renew(f.Context(), s.ID())
		f.wantErr(err, sessile.ErrNotFound)
	})
}

func TestLookupAfterCloseIsRefused(t *testing.T) {
	f := &fixture{T: t, clock: newClock()}
	s := openIn(t, sessile.Config{})
	created, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
	f.must(err)
	f.must(s.Close())
	_, err = s.Lookup(t.Context(), tok.Reveal())
	f.wantErr(err, sessile.ErrClosed)
	_, err = s.Renew(t.Context(), created.ID())
	f.wantErr(err, sessile.ErrClosed)
	_, err = s.Update(t.Context(), created.ID(), new(sessile.Changes).Set("n", 1))
	f.wantErr(err, sessile.ErrClosed)
}
