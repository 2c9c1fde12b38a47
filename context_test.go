package sessile_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// TestContextEndsEveryCallWhileTheDiskStalls: hot reads do not notice (I9, D16).
func TestContextEndsEveryCallWhileTheDiskStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := hookedFile(t, sessile.Config{})
		x, tok := login(t, s, "ann")
		stall, stalled := make(chan struct{}), make(chan struct{})
		release := sync.OnceFunc(func() { close(stall) })
		t.Cleanup(release) // before the store's Close, which waits for the disk
		var once sync.Once
		g.Set(beforeApply(func(*persist.Batch) { once.Do(func() { close(stalled); <-stall }) }))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, _, err := s.Create(ctx, sessile.Meta{}, "bob", nil); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, sessile.ErrUnknown) {
			t.Fatalf("create: %v", err)
		}
		<-stalled
		if err := readErr(t, s, tok); err != nil {
			t.Fatalf("hot read: %v", err)
		}
		if err := s.Destroy(ctx, x.ID()); !errors.Is(err, sessile.ErrNotDurable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("destroy: %v", err)
		}
		if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
			t.Fatalf("destroyed while stalled: %v", err)
		}
		release()
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list, err := s.ListForUser(t.Context(), "bob"); err != nil || len(list) != 0 {
			t.Fatalf("a session whose caller left lives on: %v, %v", list, err)
		}
	})
}

// TestCreateAndRotateThatGiveUpInTheQueueAreNotDone: a create or rotation whose context ends behind
// another commit was not done, and its error says so. One whose outcome is unknown says that (D17).
func TestCreateAndRotateThatGiveUpInTheQueueAreNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := hookedFile(t, sessile.Config{CacheSize: 10})
		inFlight, release, commits := make(chan struct{}), make(chan struct{}), atomic.Int32{}
		g.Set(beforeApply(func(*persist.Batch) {
			if commits.Add(1) == 2 { // the first is the login's
				inFlight <- struct{}{}
				<-release
			}
		}))
		x, tok := login(t, s, "ann")
		first := make(chan error, 1)
		go func() {
			_, _, err := s.Create(within(t), sessile.Meta{}, "bob", nil)
			first <- err
		}()
		<-inFlight
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
		for user, want := range map[string]int{"ann": 1, "bob": 0} { // nobody has the token of the create in flight
			if list, err := s.ListForUser(t.Context(), user); err != nil || len(list) != want {
				t.Errorf("%s has %d sessions, %v", user, len(list), err)
			}
		}
	})
}
