package sessile_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestCloseAnswersTheCallersOfTheLastBatch: the batch ends after CloseTimeout, and succeeds.
func TestCloseAnswersTheCallersOfTheLastBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{CloseTimeout: 50 * time.Millisecond})
		h.Set(persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			pass(300 * time.Millisecond)
			c.Ctx = context.Background() // and the commit ignores Close
		})})
		got := make(chan error, 1)
		go func() {
			_, _, err := s.Create(context.Background(), sessile.Meta{}, "u", nil)
			got <- err
		}()
		synctest.Wait()
		closeErr := s.Close()
		err := <-got
		list, _ := h.ByUser(t.Context(), persist.UserKey{ID: "u"})
		if err != nil && !errors.Is(err, sessile.ErrUnknown) && len(list.Records) > 0 {
			t.Errorf("Close: %v; Create: %v, and the session is stored", closeErr, err)
		}
	})
}

func TestCloseReturnsWhileAnEventHookBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		s, _ := hookedMemory(t, sessile.Config{CloseTimeout: 50 * time.Millisecond, Events: func(sessile.Event) { <-stop }})
		login(t, s, "u")
		began := time.Now()
		_ = s.Close()
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
	})
}

func TestClosePausesBetweenRetriesOfAStuckDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{CloseTimeout: 500 * time.Millisecond})
		x, _ := login(t, s, "u")
		commits := 0
		h.Set(persisttest.Hooks{
			Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) { c.Batch = new(persist.Batch) }),
			After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				commits++
				c.Result.Ops = []persist.Outcome{{Status: persist.StatusFailed, Err: persist.ErrCorrupt}}
			}),
		})
		_ = s.Destroy(t.Context(), x.ID())
		commits = 0
		_ = s.Close()
		if commits > 50 {
			t.Errorf("%d commits in the 500 ms of Close", commits)
		}
	})
}

// TestCloseReturnsWhileACommitStalls: Close ends the context of the commit after CloseTimeout.
func TestCloseReturnsWhileACommitStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{CloseTimeout: 50 * time.Millisecond})
		h.Set(persisttest.Hooks{Fail: func(c *persisttest.Call) error {
			if c.Method != persisttest.Apply {
				return nil
			}
			<-c.Ctx.Done()
			return persist.ErrUnknown
		}})
		_, _, _ = s.Create(within(t), sessile.Meta{}, "u", nil)
		began := time.Now()
		_ = s.Close()
		if d := time.Since(began); d > 50*time.Millisecond {
			t.Errorf("Close took %v, with a CloseTimeout of 50 ms", d)
		}
	})
}
