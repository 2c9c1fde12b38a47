package sessile_test

import (
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// renew rotates with a grace from a token, as the middleware does.
func (f *fixture) renew(id sessile.ID, from sessile.Token) (sessile.Token, error) {
	f.Helper()
	_, t, err := f.s().Rotate(f.Context(), id, sessile.Rotation{From: from, Grace: true})
	return t, err
}

// lookup finds what the middleware finds.
func (f *fixture) lookup(t sessile.Token) (sessile.Session, bridge.Found) {
	f.Helper()
	x, found, err := callsOf(f.s()).Lookup(f.Context(), t.Reveal())
	f.must(err)
	return x, found
}

// successorLost reports what the middleware learns of a token.
func (f *fixture) successorLost(t sessile.Token) bool {
	f.Helper()
	_, found := f.lookup(t)
	return found.SuccessorLost
}

// TestRotateReplacesASuccessorThatWasNotSeenForAMinute, also after a restart: one live
// successor at a time.
func TestRotateReplacesASuccessorThatWasNotSeenForAMinute(t *testing.T) {
	suite(t, func(f *fixture) {
		s, first := f.login("ann")
		lost, err := f.renew(s.ID(), first)
		f.must(err)
		for range 3 {
			f.clock.advance(time.Minute - time.Microsecond)
			if f.successorLost(first) {
				f.Fatal("lost within a minute")
			}
			_, err = f.renew(s.ID(), first)
			f.wantErr(err, sessile.ErrNotFound)
			f.clock.advance(time.Microsecond)
			if x, found := f.lookup(first); !found.SuccessorLost || !x.TokenReplaced() {
				f.Fatal("not lost after a minute")
			}
			_, _, err = f.s().Rotate(f.Context(), s.ID(), sessile.Rotation{Grace: true}) // whichever token: its client may have it
			f.wantErr(err, sessile.ErrInGrace)
			next, err := f.renew(s.ID(), first)
			f.must(err)
			f.dead(lost)
			if f.successorLost(first) {
				f.Fatal("the new one is lost at once")
			}
			lost = next
		}
		f.alive(lost) // seen
		f.clock.advance(29 * time.Second)
		f.alive(first)
		_, err = f.renew(s.ID(), first)
		f.wantErr(err, sessile.ErrNotFound)
		f.clock.advance(31 * time.Second)
		_, err = f.renew(s.ID(), first)
		f.wantErr(err, sessile.ErrNotFound)
		f.dead(first)
		f.alive(lost)
	})
}
