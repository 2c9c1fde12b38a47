package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// UpdateDoesNotReviveExpiredSessions: neither does a Touch, a Flush or a rotation (a fault of the original).
func UpdateDoesNotReviveExpiredSessions(f *Fixture) {
	s, tok := f.Login("ann")
	f.Clock.Advance(30 * 24 * time.Hour)
	later := f.Clock.Now().Add(time.Hour)
	f.WantErr(f.Store().Touch(f.Context(), s.ID(), f.Clock.Now(), later), sessile.ErrExpired)
	f.WantErr(f.Store().Flush(f.Context(), s.ID(), nil, f.Clock.Now(), later), sessile.ErrExpired)
	_, err := f.Store().Update(f.Context(), s.ID(), new(sessile.Changes).Set("a", 1))
	f.WantErr(err, sessile.ErrNotFound) // ErrExpired is one
	_, err = f.Store().RotateToken(f.Context(), s.ID())
	f.WantErr(err, sessile.ErrExpired)
	f.Dead(tok)
}

// UpdateChangesSingleKeysAndCountsAsAccess: other keys stay.
func UpdateChangesSingleKeysAndCountsAsAccess(f *Fixture) {
	s, tok, err := f.Store().Create(f.Context(), sessile.Meta{}, "ann", map[string]any{"a": 1, "b": "x", "c": true})
	f.Must(err)
	f.Clock.Advance(time.Minute)
	_, err = f.Store().Update(f.Context(), s.ID(), new(sessile.Changes).Set("a", 2).Delete("b").Set("d", nil))
	f.Must(err)
	got := f.Alive(tok)
	if want := `{"a":2,"c":true,"d":null}`; string(got.Data().JSON()) != want || !got.LastActiveAt().Equal(f.Clock.Now()) {
		f.Fatalf("data is %s, active %v", got.Data().JSON(), got.LastActiveAt())
	}
}
