package behaviour

import (
	"github.com/sessile/sessile"
)

// GuestsHaveNoUserAndAreCapped: the least recently active guests go first (S39).
func GuestsHaveNoUserAndAreCapped(f *Fixture) {
	f.Configure(func(c *sessile.Config) { c.MaxGuests = 3 })
	var toks []sessile.Token
	for range 5 {
		s, tok, err := f.Store().CreateWith(f.Context(), sessile.NewSession{Guest: true})
		f.Must(err)
		if !s.IsGuest() {
			f.Fatal("no guest")
		}
		toks = append(toks, tok)
	}
	f.Dead(toks[0])
	f.Dead(toks[1])
	for _, tok := range toks[2:] {
		f.Alive(tok)
	}
	_, _, err := f.Store().CreateWith(f.Context(), sessile.NewSession{Guest: true, UserID: "ann"})
	f.WantErr(err, sessile.ErrInvalidUserID)
}
