package sessile_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// within is a context for a call that must not wait for a disk that is down.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// TestOverloadBoundsHoldWhileTheDiskIsDown: D13, D14, S30. At the bound touches are dropped, what
// would grow waits and is refused, reads go on, and a logout is never refused.
func TestOverloadBoundsHoldWhileTheDiskIsDown(t *testing.T) {
	s, g := openGated(t, sessile.Config{MaxPending: 10, CacheSize: 100, MaxSessionsPerUser: sessile.NoSessionLimit})
	var down atomic.Bool
	g.failApply = func() error {
		if down.Load() {
			return persist.ErrUnavailable
		}
		return nil
	}
	var sessions []sessile.Session
	var tokens []sessile.Token
	for range 15 {
		x, tok := login(t, s, "ann")
		sessions, tokens = append(sessions, x), append(tokens, tok)
	}
	down.Store(true)
	set := new(sessile.Changes).Set("k", 1)
	for _, x := range sessions[:10] {
		if _, err := s.Update(within(t), x.ID(), set); err != nil {
			t.Fatalf("below the bound: %v", err)
		}
	}
	if _, err := s.Update(within(t), sessions[10].ID(), set); !errors.Is(err, sessile.ErrOverloaded) {
		t.Errorf("an update at the bound: %v", err)
	}
	if _, _, err := s.Create(within(t), sessile.Meta{}, "ann", nil); !errors.Is(err, sessile.ErrOverloaded) {
		t.Errorf("a create at the bound: %v", err)
	}
	now := time.Now()
	if err := s.Touch(within(t), sessions[11].ID(), now, now.Add(time.Hour)); err != nil || s.Stats().TouchesDropped != 1 {
		t.Errorf("a touch at the bound: %v, %d dropped", err, s.Stats().TouchesDropped)
	}
	if err := s.Destroy(within(t), sessions[12].ID()); !errors.Is(err, sessile.ErrNotDurable) {
		t.Errorf("a logout at the bound: %v", err)
	}
	if _, err := s.ReadByToken(t.Context(), tokens[12]); !errors.Is(err, sessile.ErrNotFound) {
		t.Errorf("and then: %v", err)
	}
	if _, err := s.ReadByToken(t.Context(), tokens[13]); err != nil {
		t.Errorf("a read: %v", err)
	}
	if h := s.Health(); h.State != sessile.HealthDegraded {
		t.Errorf("health: %v", h.State)
	}
	down.Store(false)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), sessions[10].ID(), set); err != nil {
		t.Errorf("when the disk is back: %v", err)
	}
	for began := time.Now(); s.Health().State != sessile.HealthOK; <-time.After(10 * time.Millisecond) { // a refusal shows for a second
		if h := s.Health(); time.Since(began) > 10*time.Second {
			t.Fatalf("health: %v, %s", h.State, h.Reason)
		}
	}
}

// TestOverloadEndsOnlyWithRoomToSpare: D14: it does not flutter at the bound.
func TestOverloadEndsOnlyWithRoomToSpare(t *testing.T) {
	s, g := openGated(t, sessile.Config{MaxPending: 20, BatchSize: 1, CacheSize: 100, MaxSessionsPerUser: sessile.NoSessionLimit})
	allow, held := make(chan struct{}), atomic.Bool{}
	g.failApply = func() error {
		if held.Load() {
			<-allow
		}
		return nil
	}
	var sessions []sessile.Session
	for range 20 {
		x, _ := login(t, s, "ann")
		sessions = append(sessions, x)
	}
	held.Store(true)
	set := new(sessile.Changes).Set("k", 1)
	for _, x := range sessions {
		if _, err := s.Update(within(t), x.ID(), set); err != nil {
			t.Fatal(err)
		}
	}
	x := sessions[0].ID()
	for range 2 { // one commit makes room for one: not enough to open
		allow <- struct{}{}
		if _, err := s.Update(within(t), x, set); !errors.Is(err, sessile.ErrOverloaded) {
			t.Fatalf("the gate is open after one commit: %v", err)
		}
	}
	close(allow)
	_, err := s.Update(t.Context(), x, set)
	for errors.Is(err, sessile.ErrOverloaded) { // on a busy machine the commits take longer than a call waits for room
		_, err = s.Update(t.Context(), x, set)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestSyncMakesEverythingBeforeItDurable: D18, D12: what was acknowledged before it is on disk when it
// returns, in its newest version, however often the disk failed meanwhile.
func TestSyncMakesEverythingBeforeItDurable(t *testing.T) {
	s, g := openGated(t, sessile.Config{BatchInterval: time.Millisecond})
	var commits atomic.Int32
	g.failApply = func() error {
		if n := commits.Add(1); n > 1 && n < 5 { // the first is the login's
			return persist.ErrUnavailable
		}
		return nil
	}
	x, _ := login(t, s, "ann")
	for n := range 50 {
		if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("n", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := g.ByID(t.Context(), persist.ID(x.ID()))
	if err != nil || string(r.Data) != `{"n":49}` {
		t.Fatalf("on disk: %s, %v", r.Data, err)
	}
}

// TestHealthIsDegradedWhileTheDiskIsSlow: D21: changes that wait too long show in the health, and so
// does the age of the oldest.
func TestHealthIsDegradedWhileTheDiskIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := openGated(t, sessile.Config{})
		slow, commits := make(chan struct{}), atomic.Int32{}
		g.failApply = func() error {
			if commits.Add(1) > 1 { // the first is the login's
				<-slow
			}
			return nil
		}
		x, _ := login(t, s, "ann")
		if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("n", 1)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if h := s.Health(); h.State != sessile.HealthOK {
			t.Errorf("after a second: %v, %s", h.State, h.Reason)
		}
		<-time.After(2 * time.Second)
		h := s.Health()
		if h.State != sessile.HealthDegraded || h.OldestPending < 2*time.Second {
			t.Errorf("after three: %v, %v", h.State, h.OldestPending)
		}
		close(slow)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h := s.Health(); h.State != sessile.HealthOK {
			t.Errorf("when it is back: %v, %s", h.State, h.Reason)
		}
	})
}

// TestCreateAndRotateThatGiveUpInTheQueueAreNotDone: D17: a create or rotation that waits behind
// another commit when its context ends has not happened, and says so; a later one
// of unknown outcome says that.
func TestCreateAndRotateThatGiveUpInTheQueueAreNotDone(t *testing.T) {
	s, g := openGated(t, sessile.Config{CacheSize: 10})
	flying, release, commits := make(chan struct{}), make(chan struct{}), atomic.Int32{}
	g.beforeApply = func(*persist.Batch) {
		if commits.Add(1) == 2 { // the first is the login's
			flying <- struct{}{}
			<-release
		}
	}
	x, tok := login(t, s, "ann")
	first := make(chan error, 1)
	go func() {
		_, _, err := s.Create(within(t), sessile.Meta{}, "bob", nil)
		first <- err
	}()
	<-flying
	_, _, err := s.Create(within(t), sessile.Meta{}, "ann", nil)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sessile.ErrUnknown) {
		t.Errorf("a create that waits: %v", err)
	}
	if _, err := s.RotateToken(within(t), x.ID()); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sessile.ErrUnknown) {
		t.Errorf("a rotation that waits: %v", err)
	}
	if err := <-first; !errors.Is(err, sessile.ErrUnknown) {
		t.Errorf("a create under way: %v", err)
	}
	close(release)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadByToken(t.Context(), tok); err != nil {
		t.Errorf("the token that was not rotated: %v", err)
	}
	for user, want := range map[string]int{"ann": 1, "bob": 0} { // nobody has the token of what was under way
		if list, err := s.ListForUser(t.Context(), user); err != nil || len(list) != want {
			t.Errorf("%s has %d sessions, %v", user, len(list), err)
		}
	}
}

// TestHealthChangesAreEvents: D21, D13: that writes fail, that calls are refused, and that both
// are over, is told once each.
func TestHealthChangesAreEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		s, g := openGated(t, sessile.Config{MaxPending: 2, Events: func(e sessile.Event) {
			if e.Kind == sessile.EventHealth {
				told = append(told, e.Reason)
			}
		}})
		var down atomic.Bool
		g.failApply = func() error {
			if down.Load() {
				return persist.ErrUnavailable
			}
			return nil
		}
		var all []sessile.Session
		for range 3 {
			x, _ := login(t, s, "ann")
			all = append(all, x)
		}
		set := new(sessile.Changes).Set("n", 1)
		for range 2 {
			down.Store(true)
			for _, x := range all {
				_, err := s.Update(t.Context(), x.ID(), set)
				if refused := x.ID() == all[2].ID(); errors.Is(err, sessile.ErrOverloaded) != refused {
					t.Fatalf("at the bound %v: %v", refused, err)
				}
			}
			<-time.After(time.Second / 2)
			if st := s.Stats(); s.Health().State != sessile.HealthDegraded || st.Overloaded == 0 || st.Waiting != 0 {
				t.Errorf("%+v, %+v", s.Health(), st)
			}
			down.Store(false)
			<-time.After(10 * time.Second)
			if h := s.Health(); h.State != sessile.HealthOK || h.LastError == nil {
				t.Errorf("%+v", h)
			}
		}
		synctest.Wait()
		want := []string{
			"calls are refused: there are more than the store can take", "writes fail and are retried",
			"no call is refused any more", "writes succeed again",
		}
		slices.Sort(want)
		for round := range 2 {
			got := slices.Sorted(slices.Values(told[min(round*4, len(told)):min(round*4+4, len(told))]))
			if !slices.Equal(got, want) || len(told) != 8 {
				t.Errorf("told %d: %v", len(told), told)
			}
		}
	})
}
