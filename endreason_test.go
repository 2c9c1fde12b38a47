package sessile_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/persist/persisttest"
)

// endedCase ends the session x of ann, whose token is tok.
type endedCase struct {
	name string
	end  func(t *testing.T, s *sessile.Store, x sessile.Session) error
	kind sessile.EventKind
	want sessile.EndReason
}

func endedCases() []endedCase {
	return []endedCase{
		{"destroyed", func(t *testing.T, s *sessile.Store, x sessile.Session) error {
			t.Helper()
			return s.Destroy(t.Context(), x.ID())
		}, sessile.EventDestroyed, sessile.EndLoggedOut},
		{"destroyed for a reason", func(t *testing.T, s *sessile.Store, x sessile.Session) error {
			t.Helper()
			return s.Destroy(t.Context(), x.ID(), "fraud")
		}, sessile.EventDestroyed, "fraud"},
		{"destroyed for a long reason", func(t *testing.T, s *sessile.Store, x sessile.Session) error {
			t.Helper()
			return s.Destroy(t.Context(), x.ID(), "", sessile.EndReason(strings.Repeat("x\x00", 1<<20)))
		}, sessile.EventDestroyed, sessile.EndReason(strings.Repeat("x", 128))},
		{"destroyed by its user", func(t *testing.T, s *sessile.Store, x sessile.Session) error {
			t.Helper()
			return s.DestroyForUser(t.Context(), "ann", x.ID())
		}, sessile.EventDestroyed, sessile.EndLoggedOutElsewhere},
		{"all of its user", func(t *testing.T, s *sessile.Store, _ sessile.Session) error {
			t.Helper()
			_, err := s.DestroyAllForUser(t.Context(), "ann", sessile.EndRevoked)
			return err
		}, sessile.EventDestroyed, sessile.EndRevoked},
		{"all but another", func(t *testing.T, s *sessile.Store, _ sessile.Session) error {
			t.Helper()
			keep, _ := login(t, s, "ann")
			_, err := s.DestroyAllExcept(t.Context(), "ann", keep.ID())
			return err
		}, sessile.EventDestroyed, sessile.EndLoggedOutElsewhere},
		{"everybody", func(t *testing.T, s *sessile.Store, _ sessile.Session) error {
			t.Helper()
			_, err := s.DestroyAll(t.Context())
			return err
		}, sessile.EventDestroyed, sessile.EndRevoked},
		{"replaced", func(t *testing.T, s *sessile.Store, x sessile.Session) error {
			t.Helper()
			_, _, err := s.CreateWith(t.Context(), sessile.NewSession{UserID: "ann", Replaces: x.ID()})
			return err
		}, sessile.EventDestroyed, sessile.EndReplaced},
		{"evicted", func(t *testing.T, s *sessile.Store, _ sessile.Session) error {
			t.Helper()
			pass(time.Second)
			for range 3 {
				login(t, s, "ann")
			}
			return nil
		}, sessile.EventEvicted, sessile.EndEvicted},
		{"cleaned up", func(t *testing.T, s *sessile.Store, _ sessile.Session) error {
			t.Helper()
			pass(time.Hour)
			_, err := s.CleanupExpired(t.Context())
			return err
		}, sessile.EventExpired, sessile.EndIdle},
	}
}

// The event, the watcher and the middleware get the same reason.
func TestEndReasonIsInTheEventAndKnownAfterwards(t *testing.T) {
	for _, c := range endedCases() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events := make(chan sessile.Event, 100)
				s, _ := hookedMemory(t, sessile.Config{TTL: time.Hour, MaxSessionsPerUser: 3, Events: func(e sessile.Event) { events <- e }})
				x, tok := login(t, s, "ann")
				done := s.Done(t.Context(), x.ID())
				if got := s.EndReason(x.ID()); got != "" {
					t.Errorf("it has not ended: %q", got)
				}
				if err := c.end(t, s, x); err != nil {
					t.Fatal(err)
				}
				<-done
				if got := s.EndReason(x.ID()); got != c.want {
					t.Errorf("EndReason is %q, want %q", got, c.want)
				}
				if got := endedBy(t, s, tok); got != c.want {
					t.Errorf("the middleware gets %q, want %q", got, c.want)
				}
				synctest.Wait()
				told := false
				for len(events) > 0 {
					if e := <-events; e.SessionID == x.ID() && e.Kind == c.kind {
						told = true
						if e.Reason != string(c.want) {
							t.Errorf("the event says %q, want %q", e.Reason, c.want)
						}
					}
				}
				if !told {
					t.Errorf("no event %s", c.kind)
				}
			})
		})
	}
}

// endedBy returns why a token is refused, as the middleware learns it.
func endedBy(t *testing.T, s *sessile.Store, tok sessile.Token) sessile.EndReason {
	t.Helper()
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatal(err)
	}
	calls, ok := bridge.Of(s).(interface {
		EndReason(token string) sessile.EndReason
	})
	if !ok {
		t.Fatal("the middleware has no EndReason")
	}
	return calls.EndReason(tok.Reveal())
}

func TestEndReasonOfAnExpiredSessionTellsItsTimeoutsApart(t *testing.T) {
	for name, c := range map[string]struct {
		n    sessile.NewSession
		want sessile.EndReason
	}{
		"idle":     {sessile.NewSession{UserID: "ann", TTL: time.Minute, MaxLifetime: time.Hour}, sessile.EndIdle},
		"absolute": {sessile.NewSession{UserID: "ann", TTL: time.Minute, MaxLifetime: time.Minute}, sessile.EndAbsolute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := hookedMemory(t, sessile.Config{})
				x, tok, err := s.CreateWith(t.Context(), c.n)
				if err != nil {
					t.Fatal(err)
				}
				<-s.Done(t.Context(), x.ID())
				if got := s.EndReason(x.ID()); got != c.want {
					t.Errorf("EndReason is %q, want %q", got, c.want)
				}
				if got := endedBy(t, s, tok); got != c.want {
					t.Errorf("the middleware gets %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestEndReasonOfAnUnknownSessionIsEmpty(t *testing.T) {
	s, _ := hookedMemory(t, sessile.Config{})
	if got := s.EndReason(sessile.ID{1}); got != "" {
		t.Errorf("%q", got)
	}
}

// A session that another node has ended.
func TestEndReasonOnAnotherNodeIsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nodes []*sessile.Store
		for _, m := range persisttest.NewShared(2) {
			s, err := sessile.New(m, sessile.Config{CleanupInterval: sessile.NoCleanup})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			nodes = append(nodes, s)
		}
		synctest.Wait()
		x, _ := login(t, nodes[0], "ann")
		done := nodes[1].Done(t.Context(), x.ID())
		if err := nodes[0].Destroy(t.Context(), x.ID(), sessile.EndRevoked); err != nil {
			t.Fatal(err)
		}
		<-done
		if got := nodes[1].EndReason(x.ID()); got != sessile.EndElsewhere {
			t.Errorf("%q", got)
		}
	})
}
