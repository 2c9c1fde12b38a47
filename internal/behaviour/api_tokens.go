package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// apiToken creates a session of a program.
func (f *Fixture) apiToken(user string) (sessile.Session, sessile.Token, error) {
	return f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: user, APIToken: true})
}

// APITokensHaveALimitOfTheirOwn: logins evict no API token, and API tokens evict nothing.
func APITokensHaveALimitOfTheirOwn(f *Fixture) {
	f.Configure(func(c *sessile.Config) { c.MaxSessionsPerUser, c.MaxAPITokensPerUser = 1, 2 })
	_, first, err := f.apiToken("ann")
	f.Must(err)
	f.Clock.Advance(time.Second)
	_, old := f.Login("ann")
	_, second, err := f.apiToken("ann")
	f.Must(err)
	_, _, err = f.apiToken("ann")
	f.WantErr(err, sessile.ErrLimitReached)
	_, login := f.Login("ann")
	f.Dead(old)
	for _, tok := range []sessile.Token{first, second} {
		if s := f.Alive(tok); !s.IsAPIToken() || s.IsGuest() || !s.AuthenticatedAt().IsZero() {
			f.Fatalf("API token %t, guest %t, authenticated %v", s.IsAPIToken(), s.IsGuest(), s.AuthenticatedAt())
		}
	}
	if f.Alive(login).IsAPIToken() {
		f.Fatal("the login is an API token")
	}
	_, _, err = f.apiToken("bob")
	f.Must(err)
	_, _, err = f.apiToken("")
	f.WantErr(err, sessile.ErrInvalidUserID)
	_, _, err = f.Store().CreateWith(f.Context(), sessile.NewSession{Guest: true, APIToken: true})
	f.WantErr(err, sessile.ErrInvalidUserID)
}

// APITokensEndWithTheSessionsOfTheirUser: they are in the user's list, and one call ends all.
func APITokensEndWithTheSessionsOfTheirUser(f *Fixture) {
	keep, _ := f.Login("ann")
	_, tok, err := f.apiToken("ann")
	f.Must(err)
	list, err := f.Store().ListForUser(f.Context(), "ann")
	f.Must(err)
	if len(list) != 2 {
		f.Fatalf("%d sessions in the list", len(list))
	}
	_, err = f.Store().DestroyAllExcept(f.Context(), "ann", keep.ID())
	f.Must(err)
	f.Dead(tok)
	s, tok, err := f.apiToken("ann")
	f.Must(err)
	f.Must(f.Store().DestroyForUser(f.Context(), "ann", s.ID()))
	f.Dead(tok)
	_, tok, err = f.apiToken("ann")
	f.Must(err)
	n, err := f.Store().DestroyAllForUser(f.Context(), "ann")
	f.Must(err)
	if n != 2 {
		f.Fatalf("destroyed %d", n)
	}
	f.Dead(tok)
}
