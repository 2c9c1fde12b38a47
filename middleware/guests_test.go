package middleware_test

import (
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// The guests that go are those that were idle for longest. It was those that came first, so a
// flood of visitors evicted a cart that was in use before visitors who never came back.
func TestGuestInUseOutlivesAFloodOfNewOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{MaxGuests: 10}, middleware.Options{Guests: true})
		busy, idle := f.browser(), f.browser()
		busy.do(set(f, "cart", 0))
		idle.do(set(f, "cart", 0))
		for n := range 100 {
			f.browser().do(set(f, "cart", n))
			if n%5 == 0 {
				busy.do(set(f, "cart", n))
			}
			wait(time.Second) // it is on disk by then
		}
		f.want(valueOf[int](busy, "cart"), 95)
		f.want(idle.session().ID(), sessile.ID{})
		f.want(f.store.Stats().Evicted, uint64(92))
	})
}
