package sessile_test

import (
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// renew rotates with a grace from a token, as the middleware does.
func (f *fixture) renew(id sessile.ID, from sessile.Token) (sessile.Token, error) {
	f.Helper()
	return f.s().Rotate(f.Context(), id, sessile.Rotation{From: from, Grace: true})
}

func (f *fixture) lookup(t sessile.Token) sessile.Snapshot {
	f.Helper()
	x, err := f.s().Lookup(f.Context(), t.Reveal())
	f.must(err)
	return x
}

// TestRotationReplacesASuccessorThatNobodyHasSeenForAMinute, also after a restart: one live
// successor at a time.
func TestRotationReplacesASuccessorThatNobodyHasSeenForAMinute(t *testing.T) {
	suite(t, func(f *fixture) {
		s, first := f.login("ann")
		lost, err := f.renew(s.ID, first)
		f.must(err)
		for range 3 {
			f.clock.advance(time.Minute - time.Microsecond)
			if f.lookup(first).SuccessorLost() {
				f.Fatal("lost within a minute")
			}
			_, err = f.renew(s.ID, first)
			f.wantErr(err, sessile.ErrNotFound)
			f.clock.advance(time.Microsecond)
			if x := f.lookup(first); !x.SuccessorLost() || !x.TokenReplaced() {
				f.Fatal("not lost after a minute")
			}
			_, err = f.s().Rotate(f.Context(), s.ID, sessile.Rotation{Grace: true}) // whichever token: its client may have it
			f.wantErr(err, sessile.ErrInGrace)
			next, err := f.renew(s.ID, first)
			f.must(err)
			f.dead(lost)
			if x := f.lookup(first); x.SuccessorLost() {
				f.Fatal("the new one is lost at once")
			}
			lost = next
		}
		f.alive(lost) // seen
		f.clock.advance(29 * time.Second)
		f.alive(first)
		_, err = f.renew(s.ID, first)
		f.wantErr(err, sessile.ErrNotFound)
		f.clock.advance(31 * time.Second)
		_, err = f.renew(s.ID, first)
		f.wantErr(err, sessile.ErrNotFound)
		f.dead(first)
		f.alive(lost)
	})
}
