package sessile_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/persist/persisttest"
)

func TestCreateClosesDoneOfTheReplacedSession(t *testing.T) {
	events := make(chan sessile.Event, 10)
	s, _ := hookedFile(t, sessile.Config{Events: func(e sessile.Event) { events <- e }})
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

// TestCreateThatIsCancelledLeavesNoSession: the context ends when the result arrives.
func TestCreateThatIsCancelledLeavesNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit})
		failed, created := 0, 0
		for range 3000 {
			ctx, cancel := context.WithCancel(t.Context())
			h.Set(persisttest.Hooks{After: persisttest.On(persisttest.Apply, func(*persisttest.Call) { go cancel() })})
			if _, _, err := s.Create(ctx, sessile.Meta{}, "u", nil); err != nil {
				failed++
			} else {
				created++
			}
			cancel()
		}
		h.Set(persisttest.Hooks{})
		synctest.Wait()
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list, err := s.ListForUser(t.Context(), "u"); err != nil || len(list) != created {
			t.Errorf("%d creates succeeded, %d failed, and there are %d sessions: %v", created, failed, len(list), err)
		}
		t.Logf("%d creates succeeded, %d failed", created, failed)
	})
}

// TestCreateSurvivesReadsBeforeItSettles runs over a file.
func TestCreateSurvivesReadsBeforeItSettles(t *testing.T) {
	s := openIn(t, sessile.Config{MaxSessionsPerUser: 50})
	data := map[string]string{"x": strings.Repeat("y", 60_000)}
	var creators, readers sync.WaitGroup
	created := make(chan struct{})
	for range 8 {
		creators.Go(func() {
			for range 30 {
				if _, _, err := s.Create(t.Context(), sessile.Meta{}, "u", data); err != nil && !errors.Is(err, sessile.ErrOverloaded) {
					t.Error(err)
				}
			}
		})
		readers.Go(func() {
			for {
				select {
				case <-created:
					return
				default:
				}
				list, _ := s.ListForUser(t.Context(), "u")
				for _, x := range list {
					_, _ = s.Read(t.Context(), x.ID())
				}
			}
		})
	}
	creators.Wait()
	close(created)
	readers.Wait()
}

// TestCreateAndRotateWithoutEntropyFail: S2, A5.
func TestCreateAndRotateWithoutEntropyFail(t *testing.T) {
	broken := errors.New("no entropy")
	cfg := sessile.WithEntropy(sessile.Config{Path: filepath.Join(t.TempDir(), "s.db")}, errReader{broken})
	s, err := sessile.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); !errors.Is(err, broken) || !tok.IsZero() {
		t.Errorf("create: %v", err)
	}
	if _, err := s.RotateToken(t.Context(), sessile.ID{1}); !errors.Is(err, broken) {
		t.Errorf("rotate: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// sameReader returns the same bytes forever.
type sameReader struct{}

// TestCreateWithACollisionIsErrConflict: A30, S23.
func TestCreateWithACollisionIsErrConflict(t *testing.T) {
	clock := behaviour.NewClock()
	cfg := sessile.WithEntropy(sessile.Config{Path: filepath.Join(t.TempDir(), "s.db")}, sameReader{})
	s, err := sessile.Open(t.Context(), sessile.WithClock(cfg, clock.Now))
	if err != nil {
		t.Fatal(err)
	}
	first, tok := login(t, s, "ann")
	clock.Advance(time.Millisecond) // another id, with the same token
	if _, _, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); !errors.Is(err, sessile.ErrConflict) {
		t.Errorf("create: %v", err)
	}
	got, err := s.ReadByToken(t.Context(), tok)
	if err != nil || got.ID() != first.ID() {
		t.Errorf("the first session: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func (sameReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestCreateWithAnEndedContextMakesNoSession(t *testing.T) {
	s := openIn(t, sessile.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, tok, err := s.Create(ctx, sessile.Meta{}, "ann", nil); !errors.Is(err, context.Canceled) || !tok.IsZero() {
		t.Error(err)
	}
	if list, err := s.ListForUser(t.Context(), "ann"); err != nil || len(list) > 0 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
}
