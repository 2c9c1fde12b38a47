package actor

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist"
)

var (
	walk      = flag.String("walk", "", "the call that TestWalkMakesOneCall makes; see .ci/walks")
	walkCalls = flag.Int("walk.calls", 1, "and how often")
)

// TestWalkMakesOneCall makes one kind of call, so that what it covers is what a reader of that call
// has to follow.
func TestWalkMakesOneCall(t *testing.T) {
	if *walk == "" {
		t.Skip("for make walks")
	}
	inBubble(t, nil, func(l *live) {
		ids := make([]*persist.Record, 10)
		for i := range ids {
			ids[i] = l.newSession("u")
		}
		call := map[string]func(i int){
			"Update":       func(i int) { l.is(l.set(l.Context(), ids[i].ID, false), nil) },
			"Update+batch": func(int) { l.later(time.Second); l.is(l.set(l.Context(), ids[0].ID, false), nil) },
			"Create":       func(int) { l.newSession("v") },
			"Destroy":      func(i int) { l.is(l.Destroy(l.Context(), ids[i].ID), nil) },
			"RotateToken": func(i int) {
				_, err := l.Rotate(l.Context(), ids[i].ID, TokenChange{To: persist.Hash{8, byte(i)}})
				l.is(err, nil)
			},
			"ReadByToken": func(i int) {
				_, err := l.Find(l.Context(), persist.TokenKey{Hash: ids[i].Hash})
				l.is(err, nil)
				synctest.Wait()
			},
		}[*walk]
		if *walk == "RotateToken" || *walk == "ReadByToken" {
			l.forget() // cold
		} else {
			for _, rec := range ids { // so that a call adds nothing to what Close writes
				l.is(l.set(l.Context(), rec.ID, false), nil)
			}
		}
		for i := range *walkCalls {
			call(i)
		}
	})
}
