package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// LimitEvictsTheLeastRecentlyActive: a Touch that is not on disk yet counts (A17, S37, S38).
func LimitEvictsTheLeastRecentlyActive(f *Fixture) {
	f.Configure(func(c *sessile.Config) { c.MaxSessionsPerUser = 3 })
	var toks []sessile.Token
	var ids []sessile.ID
	for range 3 {
		s, tok := f.Login("ann")
		toks, ids = append(toks, tok), append(ids, s.ID())
		f.Clock.Advance(time.Second)
	}
	f.Must(f.Store().Touch(f.Context(), ids[0], f.Clock.Now(), f.Clock.Now().Add(time.Hour)))
	f.Clock.Advance(time.Second)
	_, newest := f.Login("ann")
	f.Alive(toks[0])
	f.Dead(toks[1])
	f.Alive(toks[2])
	f.Alive(newest)
}

// LimitNeverEvictsTheNewSession: not even if the clock was set back (a fault of the original).
func LimitNeverEvictsTheNewSession(f *Fixture) {
	f.Configure(func(c *sessile.Config) { c.MaxSessionsPerUser = 1 })
	f.Login("ann")
	f.Clock.Advance(-time.Hour)
	_, tok := f.Login("ann")
	f.Alive(tok)
}

// LimitDoesNotCountExpiredSessions: a login succeeds as soon as another session has expired.
func LimitDoesNotCountExpiredSessions(f *Fixture) {
	f.Configure(func(c *sessile.Config) { c.MaxSessionsPerUser = 2; c.OnLimit = sessile.LimitRefuseNew })
	for range 2 {
		_, _, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
		f.Must(err)
	}
	_, _, err := f.Store().Create(f.Context(), sessile.Meta{}, "ann", nil)
	f.WantErr(err, sessile.ErrLimitReached)
	f.Clock.Advance(time.Minute)
	f.Login("ann")
}
