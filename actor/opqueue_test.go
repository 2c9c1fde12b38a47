package actor

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
)

// TestAnOperationThatTheDiskRefusesHasItsNextTryAtItsTime (D11), and not before.
func TestAnOperationThatTheDiskRefusesHasItsNextTryAtItsTime(t *testing.T) {
	g := newHarness(t, nil)
	g.c.rng = rand.New(dice{})
	r := g.destroy(persist.ID{9})
	g.do(r)
	out := g.refuses(persist.ErrCorrupt)
	g.refused(out, r, ErrNotDurable)
	equal(t, "wake", out.wake, 20*time.Millisecond)
	equal(t, "wake", g.pass(19_999).wake, micro(1))
	g.empty()
	g.pass(1)
	g.carries(1, 0, 0)
	equal(t, "wake", g.refuses(persist.ErrCorrupt).wake, 40*time.Millisecond)
}
