package behaviour

import (
	"slices"
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// walk returns the IDs of all pages, in their order. No page may exceed the limit.
func (f *Fixture) walk(q sessile.Query) (all []sessile.ID) {
	f.Helper()
	for {
		p, err := f.Store().Search(f.Context(), q)
		f.Must(err)
		if q.Limit > 0 && len(p.Sessions) > q.Limit {
			f.Fatalf("a page of %d sessions (limit %d)", len(p.Sessions), q.Limit)
		}
		all = append(all, ids(p.Sessions)...)
		if q.After = p.Next; p.Next == "" {
			return all
		}
	}
}

// finds fails the test unless a walk lists exactly these sessions.
func (f *Fixture) finds(q sessile.Query, want ...sessile.Session) {
	f.Helper()
	if got := f.walk(q); !slices.Equal(got, ids(want)) {
		f.Fatalf("%+v finds %v, want %v", q, got, ids(want))
	}
}

// SearchPagesThroughEverySession: the newest comes first, whatever the size of a page.
func SearchPagesThroughEverySession(f *Fixture) {
	f.finds(sessile.Query{})
	var all []sessile.Session
	for i := range 7 {
		s, _ := f.Login([]string{"ann", "bob"}[i%2])
		all = append(all, s)
	}
	slices.Reverse(all)
	for _, limit := range []int{0, 1, 3, 7, 1 << 30} {
		f.finds(sessile.Query{Limit: limit}, all...)
	}
}

// SearchSelectsByUserAddressAndDevice: all filters that are set must match.
func SearchSelectsByUserAddressAndDevice(f *Fixture) {
	login := func(user, ip, agent string) sessile.Session {
		s, _, err := f.Store().Create(f.Context(), sessile.NewMeta(ip, agent, ""), user, nil)
		f.Must(err)
		return s
	}
	a := login("ann", "192.0.2.1", "Mozilla/5.0 (iPhone) Safari/604.1")
	b := login("ann", "192.0.2.2", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
	c := login("bob", "192.0.2.1", "100%_curl")
	f.finds(sessile.Query{UserID: "ann"}, b, a)
	f.finds(sessile.Query{IPAddress: "192.0.2.1"}, c, a)
	f.finds(sessile.Query{Device: "FIREFOX"}, b)
	f.finds(sessile.Query{Device: b.DeviceName()}, b)
	f.finds(sessile.Query{Device: "%_"}, c)
	f.finds(sessile.Query{Device: "1%c"})
	f.finds(sessile.Query{UserID: "ann", IPAddress: "192.0.2.1", Device: "iphone"}, a)
	f.finds(sessile.Query{UserID: "bob", Device: "iphone"})
	f.finds(sessile.Query{UserID: "Ann"})
}

// SearchLeavesOutDestroyedAndExpired: only active sessions are found.
func SearchLeavesOutDestroyedAndExpired(f *Fixture) {
	_, _, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
	f.Must(err)
	b, _ := f.Login("ann")
	c, _ := f.Login("bob")
	d, _ := f.Login("carl")
	f.Must(f.Store().Destroy(f.Context(), b.ID()))
	if _, err := f.Store().DestroyAllForUser(f.Context(), "carl"); err != nil {
		f.Fatal(err)
	}
	f.Clock.Advance(time.Minute)
	f.finds(sessile.Query{}, c)
	f.finds(sessile.Query{UserID: d.UserID()})
}

// SearchShowsUnwrittenAccessesAndIsNone: times are those in memory, and a search does not change them.
func SearchShowsUnwrittenAccessesAndIsNone(f *Fixture) {
	a, _ := f.Login("ann")
	f.Clock.Advance(time.Second)
	at := f.Clock.Now()
	f.Must(f.Store().Touch(f.Context(), a.ID(), at, at.Add(time.Hour)))
	f.Clock.Advance(time.Second)
	for range 2 {
		p, err := f.Store().Search(f.Context(), sessile.Query{})
		f.Must(err)
		if len(p.Sessions) != 1 || !p.Sessions[0].LastActiveAt().Equal(at) || !p.Sessions[0].ExpiresAt().Equal(at.Add(time.Hour)) {
			f.Fatalf("%v, want last active at %v", p.Sessions, at)
		}
	}
}

// SearchRefusesWhatIsNoQuery: cursors of other searches, and filters that no session can have.
func SearchRefusesWhatIsNoQuery(f *Fixture) {
	for range 3 {
		f.Login("ann")
	}
	p, err := f.Store().Search(f.Context(), sessile.Query{Limit: 1})
	f.Must(err)
	last := len(p.Next) - 1
	for _, q := range []sessile.Query{
		{After: "x"}, {After: strings.Repeat("A", len(p.Next))}, {After: p.Next + "A"}, {After: p.Next[:last]}, {After: p.Next + "\n"},
		{After: strings.Repeat("A", 1<<20)}, {After: p.Next, UserID: "ann"}, {After: p.Next, Device: "x"},
		{UserID: "a\x00"}, {IPAddress: "\xff"}, {Device: "\xc3"}, {Limit: -1},
		{UserID: strings.Repeat("u", 1<<20)}, {IPAddress: strings.Repeat("1", 1<<20)}, {Device: strings.Repeat("x", 1<<20)},
	} {
		got, err := f.Store().Search(f.Context(), q)
		f.WantErr(err, sessile.ErrInvalidQuery)
		if len(got.Sessions) > 0 || len(err.Error()) > 200 {
			f.Fatalf("%d sessions, and an error of %d bytes", len(got.Sessions), len(err.Error()))
		}
	}
}

// CountIncludesExpiredSessions: it counts what is stored.
func CountIncludesExpiredSessions(f *Fixture) {
	a, _ := f.Login("ann")
	_, _, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
	f.Must(err)
	f.Login("bob")
	f.Clock.Advance(time.Minute)
	f.Must(f.Store().Destroy(f.Context(), a.ID()))
	if n, err := f.Store().Count(f.Context()); err != nil || n != 2 {
		f.Fatalf("%d sessions, %v", n, err)
	}
}
