package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// RememberStaysWithTheSession: accesses, changes and rotations keep what the login chose.
func RememberStaysWithTheSession(f *Fixture) {
	for _, want := range []sessile.Remember{sessile.RememberDefault, sessile.RememberYes, sessile.RememberNo, sessile.RememberIf(true), sessile.RememberIf(false)} {
		s, _, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", Remember: want, TTL: time.Hour})
		f.Must(err)
		_, err = f.Store().Update(f.Context(), s.ID(), new(sessile.Changes).Set("a", 1))
		f.Must(err)
		_, err = f.Store().Renew(f.Context(), s.ID())
		f.Must(err)
		tok, err := f.Store().RotateToken(f.Context(), s.ID())
		f.Must(err)
		if got := f.Alive(tok); got.Remember() != want || s.Remember() != want || got.IsAPIToken() {
			f.Fatalf("Remember is %d, want %d", got.Remember(), want)
		}
	}
}
