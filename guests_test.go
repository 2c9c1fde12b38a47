package sessile_test

import (
	"testing"

	"github.com/sessile/sessile"
)

func TestGuestsHaveNoUserAndAreCapped(t *testing.T) { // S39
	suiteWith(t, func(c *sessile.Config) { c.MaxGuests = 3 }, func(f *fixture) {
		var toks []sessile.Token
		for range 5 {
			s, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{Guest: true})
			f.must(err)
			if !s.IsGuest() {
				f.Fatal("no guest")
			}
			toks = append(toks, tok)
		}
		f.dead(toks[0])
		f.dead(toks[1])
		for _, tok := range toks[2:] {
			f.alive(tok)
		}
		_, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{Guest: true, UserID: "ann"})
		f.wantErr(err, sessile.ErrInvalidUserID)
	})
}
