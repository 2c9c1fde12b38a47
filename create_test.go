package sessile_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// replace logs a user in again in the place of a session.
func (f *fixture) replace(user string, old sessile.ID) (sessile.Session, sessile.Token, error) {
	f.Helper()
	return f.s().CreateWith(f.Context(), sessile.NewSession{UserID: user, Replaces: old})
}

func TestCreateDoesNotCountTheReplacedSessionTowardTheLimit(t *testing.T) { // spring-security#7117
	for _, l := range []struct {
		most int
		when sessile.LimitPolicy
	}{{3, sessile.LimitEvictOldest}, {3, sessile.LimitRefuseNew}, {1, sessile.LimitEvictOldest}, {1, sessile.LimitRefuseNew}} {
		suiteWith(t, func(c *sessile.Config) { c.MaxSessionsPerUser, c.OnLimit = l.most, l.when }, func(f *fixture) {
			var toks []sessile.Token
			var last sessile.Session
			for range l.most {
				s, tok := f.login("ann")
				last, toks = s, append(toks, tok)
				f.clock.advance(time.Second)
			}
			s, tok, err := f.replace("ann", last.ID())
			f.must(err)
			f.dead(toks[len(toks)-1])
			for _, other := range append(toks[:len(toks)-1], tok) {
				f.alive(other)
			}
			list, err := f.s().ListForUser(f.Context(), "ann")
			f.must(err)
			if len(list) != l.most || !slices.Contains(f.ids(list), s.ID()) {
				f.Fatalf("%d sessions", len(list))
			}
		})
	}
}

func TestCreateReplacesOnlyASessionOfTheSameUser(t *testing.T) {
	suite(t, func(f *fixture) {
		bob, bobs := f.login("bob")
		guest, cart, err := f.s().CreateWith(f.Context(), sessile.NewSession{Guest: true})
		f.must(err)
		for _, id := range []sessile.ID{bob.ID(), guest.ID(), {1, 2, 3}} {
			_, tok, err := f.replace("ann", id)
			f.must(err)
			f.alive(tok)
		}
		f.alive(bobs)
		f.alive(cart)
	})
}

func TestCreateClosesDoneOfTheReplacedSession(t *testing.T) {
	events := make(chan sessile.Event, 10)
	s, _ := openGated(t, sessile.Config{Events: func(e sessile.Event) { events <- e }})
	old, tok := login(t, s, "ann")
	done := s.Done(t.Context(), old.ID())
	fresh, _, err := s.CreateWith(t.Context(), sessile.NewSession{UserID: "ann", Replaces: old.ID()})
	if err != nil {
		t.Fatal(err)
	}
	<-done
	want := []sessile.Event{
		{Kind: sessile.EventCreated, SessionID: old.ID()},
		{Kind: sessile.EventDestroyed, SessionID: old.ID(), Reason: "replaced by a login"},
		{Kind: sessile.EventCreated, SessionID: fresh.ID()},
	}
	for _, w := range want {
		if e := <-events; e.Kind != w.Kind || e.SessionID != w.SessionID || e.Reason != w.Reason {
			t.Errorf("%+v, want %+v", e, w)
		}
	}
	if _, err := s.ReadByToken(t.Context(), tok); err == nil {
		t.Error("the old token opens something")
	}
}
