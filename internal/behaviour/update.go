package behaviour

import (
	"fmt"
	"strings"
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

// UpdateAllForUserChangesEverySessionOfTheUser: in memory or not, API tokens too, and it is no access. Other
// sessions stay.
func UpdateAllForUserChangesEverySessionOfTheUser(f *Fixture) {
	var toks []sessile.Token
	for i := range 3 {
		s, tok, err := f.Store().CreateWith(f.Context(), sessile.NewSession{
			UserID: "ann", APIToken: i == 2, Data: map[string]any{"role": "user", "n": i, "old": true},
		})
		f.Must(err)
		_, err = f.Store().Update(f.Context(), s.ID(), new(sessile.Changes).Set("unwritten", i))
		f.Must(err)
		toks = append(toks, tok)
		f.Clock.Advance(time.Second)
	}
	_, short, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Second})
	f.Must(err)
	_, bobs := f.Login("bob")
	f.Clock.Advance(time.Minute)
	n, err := f.Store().UpdateAllForUser(f.Context(), "ann", new(sessile.Changes).Set("role", "admin").Delete("old"))
	f.Must(err)
	if n != len(toks) {
		f.Fatalf("changed %d sessions", n)
	}
	for i, tok := range toks {
		s := f.Alive(tok)
		if got, want := string(s.Data().JSON()), fmt.Sprintf(`{"n":%d,"role":"admin","unwritten":%d}`, i, i); got != want {
			f.Fatalf("data is %s, want %s", got, want)
		}
		if began := s.CreatedAt(); !s.LastActiveAt().Equal(began) || !s.ExpiresAt().Equal(began.Add(s.TTL())) {
			f.Fatalf("active %v, until %v, created %v: the change counts as an access", s.LastActiveAt(), s.ExpiresAt(), began)
		}
	}
	f.Dead(short)
	if got := f.Alive(bobs).Data().JSON(); string(got) != "{}" {
		f.Fatalf("the data of another user is %s", got)
	}
	if n, err := f.Store().UpdateAllForUser(f.Context(), "nobody", new(sessile.Changes).Set("a", 1)); n != 0 || err != nil {
		f.Fatalf("%d, %v", n, err)
	}
}

// UpdateAllForUserChangesTheOthersIfOneCannot: a session without room for the changes is named in the error.
func UpdateAllForUserChangesTheOthersIfOneCannot(f *Fixture) {
	f.Configure(func(c *sessile.Config) { c.MaxDataBytes = 100 })
	_, before := f.Login("ann")
	full, _, err := f.Store().Create(f.Context(), sessile.Meta{}, "ann", map[string]string{"x": strings.Repeat("x", 90)})
	f.Must(err)
	_, after := f.Login("ann")
	n, err := f.Store().UpdateAllForUser(f.Context(), "ann", new(sessile.Changes).Set("role", "admin"))
	f.WantErr(err, sessile.ErrDataTooLarge)
	if n != 2 || !strings.Contains(err.Error(), full.ID().String()) {
		f.Fatalf("changed %d sessions: %v", n, err)
	}
	for _, tok := range []sessile.Token{before, after} {
		if got := string(f.Alive(tok).Data().JSON()); got != `{"role":"admin"}` {
			f.Fatalf("data is %s", got)
		}
	}
	_, err = f.Store().UpdateAllForUser(f.Context(), "ann", new(sessile.Changes).Set("", 1))
	f.WantErr(err, sessile.ErrInvalidData)
	_, err = f.Store().UpdateAllForUser(f.Context(), "", new(sessile.Changes).Set("a", 1))
	f.WantErr(err, sessile.ErrInvalidUserID)
}
