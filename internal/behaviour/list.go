package behaviour

import (
	"slices"
	"time"

	"github.com/sessile/sessile"
)

// ListIsOrderedAndShowsUnwrittenChanges: the last active session comes first, then the newest ID.
func ListIsOrderedAndShowsUnwrittenChanges(f *Fixture) {
	a, _ := f.Login("ann")
	f.Clock.Advance(time.Second)
	b, _ := f.Login("ann")
	c, _ := f.Login("ann") // the same instant: the newest id comes first
	f.Login("bob")
	f.Clock.Advance(time.Second)
	f.Must(f.Store().Touch(f.Context(), a.ID(), f.Clock.Now(), f.Clock.Now().Add(time.Hour)))
	list, err := f.Store().ListForUser(f.Context(), "ann")
	f.Must(err)
	tie := []sessile.ID{b.ID(), c.ID()}
	slices.SortFunc(tie, func(x, y sessile.ID) int { return y.Compare(x) })
	if want := append([]sessile.ID{a.ID()}, tie...); !slices.Equal(ids(list), want) {
		f.Fatalf("list is %v, want %v", ids(list), want)
	}
	if !list[0].LastActiveAt().Equal(f.Clock.Now()) {
		f.Fatal("the list does not show the touch")
	}
	none, err := f.Store().ListForUser(f.Context(), "carl")
	if err != nil || len(none) != 0 {
		f.Fatalf("list of nobody: %v, %v", none, err)
	}
}

// ListLeavesOutExpiredAndDestroyed: the list has only active sessions (S36).
func ListLeavesOutExpiredAndDestroyed(f *Fixture) {
	_, _, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
	f.Must(err)
	b, _ := f.Login("ann")
	c, _ := f.Login("ann")
	f.Must(f.Store().Destroy(f.Context(), b.ID()))
	f.Clock.Advance(time.Minute)
	list, err := f.Store().ListForUser(f.Context(), "ann")
	f.Must(err)
	if !slices.Equal(ids(list), []sessile.ID{c.ID()}) {
		f.Fatalf("list is %v", ids(list))
	}
}
