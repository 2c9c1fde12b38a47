package behaviour

import (
	"fmt"
	"time"

	"github.com/sessile/sessile"
)

// CleanupDeletesExpiredSessionsAndNothingElse: a session whose renewal is not on disk yet stays (D8).
func CleanupDeletesExpiredSessionsAndNothingElse(f *Fixture) {
	var ended []sessile.ID
	for i := range 30 {
		s, _, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: fmt.Sprint("u", i), TTL: time.Minute})
		f.Must(err)
		ended = append(ended, s.ID())
	}
	extended, tok, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
	f.Must(err)
	f.Clock.Advance(time.Minute - time.Second)
	f.Must(f.Store().Touch(f.Context(), extended.ID(), f.Clock.Now(), f.Clock.Now().Add(24*time.Hour))) // may not be on disk yet
	f.Clock.Advance(time.Second + f.expiryGrace())
	n, err := f.Store().CleanupExpired(f.Context())
	f.Must(err)
	if n != len(ended) {
		f.Fatalf("deleted %d, want %d", n, len(ended))
	}
	f.Alive(tok)
	for _, id := range ended {
		_, err := f.Store().Read(f.Context(), id)
		f.WantErr(err, sessile.ErrNotFound)
	}
}
