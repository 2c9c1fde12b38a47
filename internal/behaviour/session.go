package behaviour

import (
	"encoding/json"
	"time"

	"github.com/sessile/sessile"
)

// SessionStaysAsItWasRead: a later change of the session makes another version.
func SessionStaysAsItWasRead(f *Fixture) {
	_, tok, err := f.Store().Create(f.Context(), sessile.Meta{}, "ann", map[string]int{"n": 1})
	f.Must(err)
	old, err := f.Store().ReadByToken(f.Context(), tok)
	f.Must(err)
	before, err := json.Marshal(old)
	f.Must(err)
	f.Clock.Advance(time.Hour)
	changed, err := f.Store().Update(f.Context(), old.ID(), new(sessile.Changes).Set("n", 2))
	f.Must(err)
	rotated, _, err := f.Store().Rotate(f.Context(), old.ID(), sessile.Rotation{Reauthenticated: true})
	f.Must(err)
	f.Must(f.Store().Destroy(f.Context(), old.ID()))
	if after, err := json.Marshal(old); err != nil || string(after) != string(before) || string(old.Data().JSON()) != `{"n":1}` {
		f.Errorf("%s became %s with %s, %v", before, after, old.Data().JSON(), err)
	}
	if string(changed.Data().JSON()) != `{"n":2}` || !changed.LastActiveAt().Equal(f.Clock.Now()) || !changed.RotatedAt().IsZero() {
		f.Errorf("after the update: %s, active at %v", changed.Data().JSON(), changed.LastActiveAt())
	}
	if rotated.RotatedAt().IsZero() || !rotated.AuthenticatedAt().Equal(f.Clock.Now()) || rotated.TokenReplaced() {
		f.Errorf("after the rotation: at %v, authenticated at %v", rotated.RotatedAt(), rotated.AuthenticatedAt())
	}
}
