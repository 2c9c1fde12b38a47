package behaviour

import (
	"errors"
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// CreateRefusesHostileDataBeforeAnythingIsQueued: so do Flush, Update and Touch (S45).
func CreateRefusesHostileDataBeforeAnythingIsQueued(f *Fixture) {
	s, tok := f.Login("ann")
	ctx, later := f.Context(), f.Clock.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		data any
		want error
	}{
		"array":     {[]int{1}, sessile.ErrInvalidData},
		"string":    {"x", sessile.ErrInvalidData},
		"channel":   {map[string]any{"a": make(chan int)}, sessile.ErrInvalidData},
		"too large": {map[string]string{"a": strings.Repeat("x", 64<<10)}, sessile.ErrDataTooLarge},
	} {
		if err := f.Current().Flush(ctx, s.ID(), c.data, f.Clock.Now(), later); !errors.Is(err, c.want) {
			f.Fatalf("%s: %v", name, err)
		}
		if _, _, err := f.Current().Create(ctx, sessile.Meta{}, "ann", c.data); !errors.Is(err, c.want) {
			f.Fatalf("%s: %v", name, err)
		}
	}
	_, err := f.Current().Update(ctx, s.ID(), new(sessile.Changes).Set("a", strings.Repeat("x", 64<<10)))
	f.WantErr(err, sessile.ErrDataTooLarge)
	f.WantErr(f.Current().Touch(ctx, s.ID(), time.Time{}, later), sessile.ErrInvalidTime)
	f.WantErr(f.Current().Touch(ctx, s.ID(), f.Clock.Now(), time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC)), sessile.ErrInvalidTime)
	for _, user := range []string{"", "\xff", "ann\x00", strings.Repeat("u", 1000)} {
		_, _, err := f.Current().Create(ctx, sessile.Meta{}, user, nil)
		f.WantErr(err, sessile.ErrInvalidUserID)
	}
	if got := f.Alive(tok); string(got.Data().JSON()) != "{}" {
		f.Fatalf("data is %s", got.Data().JSON())
	}
}
