package behaviour

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessile/sessile"
)

// CreateDoesNotCountTheReplacedSessionTowardTheLimit: a login at the limit that replaces a session evicts no other (spring-security#7117).
func CreateDoesNotCountTheReplacedSessionTowardTheLimit(f *Fixture) {
	for _, l := range []struct {
		most int
		when sessile.LimitPolicy
	}{{3, sessile.LimitEvictOldest}, {3, sessile.LimitRefuseNew}, {1, sessile.LimitEvictOldest}, {1, sessile.LimitRefuseNew}} {
		f.Sub(fmt.Sprint(l.most, " ", l.when), func(f *Fixture) {
			f.Configure(func(c *sessile.Config) { c.MaxSessionsPerUser, c.OnLimit = l.most, l.when })
			var toks []sessile.Token
			var last sessile.Session
			for range l.most {
				s, tok := f.Login("ann")
				last, toks = s, append(toks, tok)
				f.Clock.Advance(time.Second)
			}
			s, tok, err := f.replace("ann", last.ID())
			f.Must(err)
			f.Dead(toks[len(toks)-1])
			for _, other := range append(toks[:len(toks)-1], tok) {
				f.Alive(other)
			}
			list, err := f.Store().ListForUser(f.Context(), "ann")
			f.Must(err)
			if len(list) != l.most || !slices.Contains(ids(list), s.ID()) {
				f.Fatalf("%d sessions", len(list))
			}
		})
	}
}

// CreateReplacesOnlyASessionOfTheSameUser: a login cannot end the session of another user, or of a guest.
func CreateReplacesOnlyASessionOfTheSameUser(f *Fixture) {
	bob, bobs := f.Login("bob")
	guest, cart, err := f.Store().CreateWith(f.Context(), sessile.NewSession{Guest: true})
	f.Must(err)
	for _, id := range []sessile.ID{bob.ID(), guest.ID(), {1, 2, 3}} {
		_, tok, err := f.replace("ann", id)
		f.Must(err)
		f.Alive(tok)
	}
	f.Alive(bobs)
	f.Alive(cart)
}

// CreateReturnsASessionThatItsTokenOpens: the session that is read has the fields and the data of the one that was created.
func CreateReturnsASessionThatItsTokenOpens(f *Fixture) {
	meta := sessile.NewMeta("192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "de-DE,de")
	s, tok, err := f.Store().Create(f.Context(), meta, "ann", map[string]any{"cart": []int{1, 2}})
	f.Must(err)
	got := f.Alive(tok)
	if got.ID() != s.ID() || got.UserID() != "ann" || got.IPAddress() != "192.0.2.1" || got.DeviceName() != meta.DeviceName ||
		got.DeviceType() != "desktop" || got.Fingerprint() != meta.Fingerprint || got.UserAgent() != meta.UserAgent {
		f.Fatalf("read %+v, created %+v", got, s)
	}
	if !got.CreatedAt().Equal(f.Clock.Now()) || !got.LastActiveAt().Equal(f.Clock.Now()) ||
		!got.ExpiresAt().Equal(f.Clock.Now().Add(30*24*time.Hour)) || !got.Deadline().Equal(f.Clock.Now().Add(90*24*time.Hour)) {
		f.Fatalf("times: %v %v %v %v", got.CreatedAt(), got.LastActiveAt(), got.ExpiresAt(), got.Deadline())
	}
	cart, ok, err := sessile.Get[[]int](got, "cart")
	if err != nil || !ok || !slices.Equal(cart, []int{1, 2}) {
		f.Fatalf("cart is %v, %v, %v", cart, ok, err)
	}
}

// CreateWithNilDataStoresAnEmptyObject: a session always has data.
func CreateWithNilDataStoresAnEmptyObject(f *Fixture) {
	_, tok := f.Login("ann")
	if got := string(f.Alive(tok).Data().JSON()); got != "{}" {
		f.Fatalf("data is %s", got)
	}
}

// replace logs a user in again in the place of a session.
func (f *Fixture) replace(user string, old sessile.ID) (sessile.Session, sessile.Token, error) {
	f.Helper()
	return f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: user, Replaces: old})
}
