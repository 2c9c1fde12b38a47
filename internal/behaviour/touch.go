package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// TouchDoesNotExtendTheAbsoluteDeadline: neither does Renew (S27, I6).
func TouchDoesNotExtendTheAbsoluteDeadline(f *Fixture) {
	s, tok, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Hour, MaxLifetime: 90 * time.Minute})
	f.Must(err)
	f.Clock.Advance(time.Hour - time.Microsecond)
	renewed, err := f.Store().Renew(f.Context(), s.ID())
	f.Must(err)
	if !renewed.ExpiresAt().Equal(s.Deadline()) {
		f.Fatalf("expires %v, deadline %v", renewed.ExpiresAt(), s.Deadline())
	}
	f.Must(f.Store().Touch(f.Context(), s.ID(), f.Clock.Now(), f.Clock.Now().Add(24*time.Hour)))
	f.Clock.Set(s.Deadline().Add(-time.Microsecond))
	f.Alive(tok)
	f.Clock.Advance(time.Microsecond)
	f.Dead(tok)
}

// TouchNeverMovesTheLastActivityBack: an older touch changes nothing, and a time in the future is the present (S29, spring-session#1280).
func TouchNeverMovesTheLastActivityBack(f *Fixture) {
	s, tok := f.Login("ann")
	f.Clock.Advance(time.Minute)
	late, early := f.Clock.Now(), f.Clock.Now().Add(-time.Second)
	f.Must(f.Store().Touch(f.Context(), s.ID(), late.Add(time.Hour), late.Add(time.Hour))) // what is to come has not been
	f.Must(f.Store().Touch(f.Context(), s.ID(), early, early.Add(time.Minute)))
	if got := f.Alive(tok); !got.LastActiveAt().Equal(late) || !got.ExpiresAt().Equal(late.Add(time.Hour)) {
		f.Fatalf("an older touch won: %v %v", got.LastActiveAt(), got.ExpiresAt())
	}
}
