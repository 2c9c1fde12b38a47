package behaviour

import (
	"errors"
	"time"

	"github.com/sessile/sessile"
)

// RotateReplacesASuccessorThatWasNotSeenForAMinute: there is one live successor at a time, also after a restart.
func RotateReplacesASuccessorThatWasNotSeenForAMinute(f *Fixture) {
	s, first := f.Login("ann")
	lost, err := f.renew(s.ID(), first)
	f.Must(err)
	for range 3 {
		f.Clock.Advance(time.Minute - time.Microsecond)
		if f.successorLost(first) {
			f.Fatal("lost within a minute")
		}
		_, err = f.renew(s.ID(), first)
		f.WantErr(err, sessile.ErrNotFound)
		f.Clock.Advance(time.Microsecond)
		if x, found := f.lookup(first); !found.SuccessorLost || !x.TokenReplaced() {
			f.Fatal("not lost after a minute")
		}
		_, _, err = f.Store().Rotate(f.Context(), s.ID(), sessile.Rotation{Grace: true}) // whichever token: its client may have it
		f.WantErr(err, sessile.ErrInGrace)
		next, err := f.renew(s.ID(), first)
		f.Must(err)
		f.Dead(lost)
		if f.successorLost(first) {
			f.Fatal("the new one is lost at once")
		}
		lost = next
	}
	f.Alive(lost) // seen
	f.Clock.Advance(29 * time.Second)
	f.Alive(first)
	_, err = f.renew(s.ID(), first)
	f.WantErr(err, sessile.ErrNotFound)
	f.Clock.Advance(31 * time.Second)
	_, err = f.renew(s.ID(), first)
	f.WantErr(err, sessile.ErrNotFound)
	f.Dead(first)
	f.Alive(lost)
}

// RotateReplacesTheTokenAndNothingElse: the old token is dead at once, and its error names the session (S20).
func RotateReplacesTheTokenAndNothingElse(f *Fixture) {
	s, old, err := f.Store().Create(f.Context(), sessile.Meta{}, "ann", map[string]int{"n": 7})
	f.Must(err)
	f.Clock.Advance(time.Hour)
	tok, err := f.Store().RotateToken(f.Context(), s.ID())
	f.Must(err)
	f.Dead(old)
	got := f.Alive(tok)
	n, _, err := sessile.Get[int](got, "n")
	f.Must(err)
	if got.ID() != s.ID() || n != 7 || !got.Deadline().Equal(s.Deadline()) || !got.CreatedAt().Equal(s.CreatedAt()) {
		f.Fatalf("after rotation %+v", got)
	}
	var rotated *sessile.RotatedError
	_, err = f.Store().ReadByToken(f.Context(), old)
	if !errors.As(err, &rotated) || rotated.SessionID != s.ID() {
		f.Fatalf("the old token says %v", err)
	}
	_, err = f.Store().RotateToken(f.Context(), sessile.ID{5})
	f.WantErr(err, sessile.ErrNotFound)
}

// RotateGraceEndsAfterTheNewTokenWasSeen: until then the old token opens the session (S24).
func RotateGraceEndsAfterTheNewTokenWasSeen(f *Fixture) {
	s, old := f.Login("ann")
	_, tok, err := f.Store().Rotate(f.Context(), s.ID(), sessile.Rotation{From: old, Grace: true})
	f.Must(err)
	_, _, err = f.Store().Rotate(f.Context(), s.ID(), sessile.Rotation{From: old, Grace: true})
	f.WantErr(err, sessile.ErrNotFound) // never a second successor
	_, _, err = f.Store().Rotate(f.Context(), s.ID(), sessile.Rotation{From: tok, Grace: true})
	f.WantErr(err, sessile.ErrInGrace) // which would push out the token that its browser may have still
	f.Clock.Advance(time.Hour)
	f.Alive(old) // the answer with the new token may have been lost
	f.Alive(tok)
	f.Clock.Advance(29 * time.Second)
	f.Alive(old)
	f.Clock.Advance(time.Second)
	f.Dead(old)
	f.Alive(tok)
	third, err := f.Store().RotateToken(f.Context(), s.ID())
	f.Must(err)
	f.Dead(old)
	f.Dead(tok)
	f.Alive(third)
}

// renew rotates with a grace from a token, as the middleware does.
func (f *Fixture) renew(id sessile.ID, from sessile.Token) (sessile.Token, error) {
	f.Helper()
	_, t, err := f.Store().Rotate(f.Context(), id, sessile.Rotation{From: from, Grace: true})
	return t, err
}

// successorLost reports what the middleware learns of a token.
func (f *Fixture) successorLost(t sessile.Token) bool {
	f.Helper()
	_, found := f.lookup(t)
	return found.SuccessorLost
}
