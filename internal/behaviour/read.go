package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// ReadByTokenOfAnUnknownTokenIsErrNotFound: it leaves nothing in memory (A3, S6).
func ReadByTokenOfAnUnknownTokenIsErrNotFound(f *Fixture) {
	_, tok := f.Login("ann")
	raw := []byte(tok.Reveal())
	raw[20] ^= 1 // still of the alphabet or refused by ParseToken
	if forged, err := sessile.ParseToken(string(raw)); err == nil {
		f.Dead(forged)
	}
	f.Dead(sessile.Token{})
	if st := f.Current().Stats(); st.Hot > 1 {
		f.Fatalf("%d sessions in memory", st.Hot)
	}
}

// ReadFindsExpiredSessions: until the clean-up deletes them.
func ReadFindsExpiredSessions(f *Fixture) {
	s, tok := f.Login("ann")
	f.Clock.Advance(31 * 24 * time.Hour)
	f.Dead(tok)
	got, err := f.Store().Read(f.Context(), s.ID())
	f.Must(err)
	if got.ID() != s.ID() {
		f.Fatal("another session")
	}
	_, err = f.Store().Read(f.Context(), sessile.ID{1})
	f.WantErr(err, sessile.ErrNotFound)
}

// ReadByTokenRefusesExpiredSessionsExactly: to the microsecond, without the clean-up (A20, S26).
func ReadByTokenRefusesExpiredSessionsExactly(f *Fixture) {
	_, tok, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Hour, MaxLifetime: 2 * time.Hour})
	f.Must(err)
	f.Clock.Advance(time.Hour - time.Microsecond)
	got := f.Alive(tok)
	_, err = f.Store().Renew(f.Context(), got.ID())
	f.Must(err)
	f.Clock.Advance(time.Hour - time.Microsecond)
	f.Alive(tok)
	f.Clock.Advance(time.Microsecond)
	f.Dead(tok)
}

// ReadByTokenRefusesASessionThatWasSeenExpired: even after the clock was set back (S29).
func ReadByTokenRefusesASessionThatWasSeenExpired(f *Fixture) {
	s, tok := f.Login("ann")
	f.Clock.Advance(31 * 24 * time.Hour)
	f.Dead(tok)
	f.InOneProcess() // the wall clock is all that a new one has
	f.Clock.Advance(-20 * 24 * time.Hour)
	f.Dead(tok)
	f.WantErr(f.Store().Touch(f.Context(), s.ID(), f.Clock.Now(), f.Clock.Now().Add(time.Hour)), sessile.ErrNotFound)
}
