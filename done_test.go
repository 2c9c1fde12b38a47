package sessile_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
)

func TestDoneWithAnEndedContextLeavesNoWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := hookedMemory(t, sessile.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 200 {
			x, _ := login(t, s, fmt.Sprint("u", i))
			_ = s.Done(ctx, x.ID())
		}
		synctest.Wait()
		if n := s.Stats().Watched; n != 0 {
			t.Errorf("%d of 200 sessions are still watched, and kept in memory", n)
		}
	})
}

func TestDoneClosesAtAnExpiryThatATouchMovedForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := hookedMemory(t, sessile.Config{})
		x, _ := login(t, s, "u")
		done, now := s.Done(t.Context(), x.ID()), time.Now()
		if err := s.Touch(t.Context(), x.ID(), now, now.Add(200*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		<-done
		if late := time.Since(now) - 200*time.Millisecond; late < 0 || late > time.Second {
			t.Errorf("Done closes %v after the expiry", late)
		}
	})
}
