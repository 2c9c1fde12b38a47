package sessile_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/persisttest"
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

// TestCreateThatIsCancelledLeavesNoSession: the answer meets the end of the context.
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

// TestCreateSurvivesReadsBeforeItSettles, over a file.
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

// sameReader returns the same bytes for ever.
type sameReader struct{}

// TestCreateWithACollisionIsErrConflict: A30, S23.
func TestCreateWithACollisionIsErrConflict(t *testing.T) {
	clock := newClock()
	cfg := sessile.WithEntropy(sessile.Config{Path: filepath.Join(t.TempDir(), "s.db")}, sameReader{})
	s, err := sessile.Open(t.Context(), sessile.WithClock(cfg, clock.now))
	if err != nil {
		t.Fatal(err)
	}
	first, tok := login(t, s, "ann")
	clock.advance(time.Millisecond) // another id, with the same token
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

func TestCreateReturnsASessionThatItsTokenOpens(t *testing.T) {
	suite(t, func(f *fixture) {
		meta := sessile.NewMeta("192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "de-DE,de")
		s, tok, err := f.s().Create(f.Context(), meta, "ann", map[string]any{"cart": []int{1, 2}})
		f.must(err)
		got := f.alive(tok)
		if got.ID() != s.ID() || got.UserID() != "ann" || got.IPAddress() != "192.0.2.1" || got.DeviceName() != meta.DeviceName ||
			got.DeviceType() != "desktop" || got.Fingerprint() != meta.Fingerprint || got.UserAgent() != meta.UserAgent {
			f.Fatalf("read %+v, created %+v", got, s)
		}
		if !got.CreatedAt().Equal(f.clock.t) || !got.LastActiveAt().Equal(f.clock.t) ||
			!got.ExpiresAt().Equal(f.clock.t.Add(30*24*time.Hour)) || !got.Deadline().Equal(f.clock.t.Add(90*24*time.Hour)) {
			f.Fatalf("times: %v %v %v %v", got.CreatedAt(), got.LastActiveAt(), got.ExpiresAt(), got.Deadline())
		}
		cart, ok, err := sessile.Get[[]int](got, "cart")
		if err != nil || !ok || !slices.Equal(cart, []int{1, 2}) {
			f.Fatalf("cart is %v, %v, %v", cart, ok, err)
		}
	})
}

func TestCreateWithNilDataStoresAnEmptyObject(t *testing.T) {
	suite(t, func(f *fixture) {
		_, tok := f.login("ann")
		if got := string(f.alive(tok).Data().JSON()); got != "{}" {
			f.Fatalf("data is %s", got)
		}
	})
}

func TestCreateRefusesHostileDataBeforeAnythingIsQueued(t *testing.T) { // S45
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		ctx, later := f.Context(), f.clock.t.Add(time.Hour)
		for name, c := range map[string]struct {
			data any
			want error
		}{
			"array":     {[]int{1}, sessile.ErrInvalidData},
			"string":    {"x", sessile.ErrInvalidData},
			"channel":   {map[string]any{"a": make(chan int)}, sessile.ErrInvalidData},
			"too large": {map[string]string{"a": strings.Repeat("x", 64<<10)}, sessile.ErrDataTooLarge},
		} {
			if err := f.store.Flush(ctx, s.ID(), c.data, f.clock.t, later); !errors.Is(err, c.want) {
				f.Fatalf("%s: %v", name, err)
			}
			if _, _, err := f.store.Create(ctx, sessile.Meta{}, "ann", c.data); !errors.Is(err, c.want) {
				f.Fatalf("%s: %v", name, err)
			}
		}
		_, err := f.store.Update(ctx, s.ID(), new(sessile.Changes).Set("a", strings.Repeat("x", 64<<10)))
		f.wantErr(err, sessile.ErrDataTooLarge)
		f.wantErr(f.store.Touch(ctx, s.ID(), time.Time{}, later), sessile.ErrInvalidTime)
		f.wantErr(f.store.Touch(ctx, s.ID(), f.clock.t, time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC)), sessile.ErrInvalidTime)
		for _, user := range []string{"", "\xff", strings.Repeat("u", 1000)} {
			_, _, err := f.store.Create(ctx, sessile.Meta{}, user, nil)
			f.wantErr(err, sessile.ErrInvalidUserID)
		}
		if got := f.alive(tok); string(got.Data().JSON()) != "{}" {
			f.Fatalf("data is %s", got.Data().JSON())
		}
	})
}

func TestCreateChecksLifetimes(t *testing.T) { // A19, S28
	suite(t, func(f *fixture) {
		for _, n := range []sessile.NewSession{
			{TTL: -1}, {TTL: 1 << 62}, {MaxLifetime: -5}, {MaxLifetime: 1 << 62}, {TTL: 1}, {MaxLifetime: 1},
			{TTL: 365 * 24 * time.Hour}, {TTL: time.Hour, MaxLifetime: time.Minute},
		} {
			n.UserID = "ann"
			if _, _, err := f.store.CreateWith(f.Context(), n); !errors.Is(err, sessile.ErrInvalidTime) {
				f.Fatalf("%v, %v: %v", n.TTL, n.MaxLifetime, err)
			}
		}
		_, _, err := f.store.CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: 365 * 24 * time.Hour})
		if !strings.Contains(err.Error(), "TTL 8760h0m0s is longer than MaxLifetime, 2160h0m0s") {
			f.Fatal(err)
		}
		short, _, err := f.store.CreateWith(f.Context(), sessile.NewSession{UserID: "ann", MaxLifetime: time.Hour})
		f.must(err)
		if short.TTL() != time.Hour || !short.ExpiresAt().Equal(short.Deadline()) {
			f.Fatalf("a lifetime of an hour has the TTL %v", short.TTL())
		}
		s, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", MaxLifetime: sessile.NoMaxLifetime})
		f.must(err)
		if !s.Deadline().IsZero() {
			f.Fatalf("deadline %v", s.Deadline())
		}
		for range 40 {
			f.clock.advance(29 * 24 * time.Hour)
			_, err := f.s().Renew(f.Context(), s.ID())
			f.must(err)
		}
		f.alive(tok)
	})
}

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
