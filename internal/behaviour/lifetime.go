package behaviour

import (
	"errors"
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// CreateChecksLifetimes: impossible lifetimes are errors, and NoMaxLifetime is none (A19, S28).
func CreateChecksLifetimes(f *Fixture) {
	for _, n := range []sessile.NewSession{
		{TTL: -1}, {TTL: 1 << 62}, {MaxLifetime: -5}, {MaxLifetime: 1 << 62}, {TTL: 1}, {MaxLifetime: 1},
		{TTL: 365 * 24 * time.Hour}, {TTL: time.Hour, MaxLifetime: time.Minute},
	} {
		n.UserID = "ann"
		if _, _, err := f.Current().CreateWith(f.Context(), n); !errors.Is(err, sessile.ErrInvalidTime) {
			f.Fatalf("%v, %v: %v", n.TTL, n.MaxLifetime, err)
		}
	}
	_, _, err := f.Current().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: 365 * 24 * time.Hour})
	if !strings.Contains(err.Error(), "TTL 8760h0m0s is longer than MaxLifetime, 2160h0m0s") {
		f.Fatal(err)
	}
	short, _, err := f.Current().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", MaxLifetime: time.Hour})
	f.Must(err)
	if short.TTL() != time.Hour || !short.ExpiresAt().Equal(short.Deadline()) {
		f.Fatalf("a lifetime of an hour has the TTL %v", short.TTL())
	}
	s, tok, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", MaxLifetime: sessile.NoMaxLifetime})
	f.Must(err)
	if !s.Deadline().IsZero() {
		f.Fatalf("deadline %v", s.Deadline())
	}
	for range 40 {
		f.Clock.Advance(29 * 24 * time.Hour)
		_, err := f.Store().Renew(f.Context(), s.ID())
		f.Must(err)
	}
	f.Alive(tok)
}
