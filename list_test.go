package sessile_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestListSkipsAnUnreadableRow: a fault of the original.
func TestListSkipsAnUnreadableRow(t *testing.T) {
	s, g := hookedFile(t, sessile.Config{})
	login(t, s, "ann")
	g.Set(persisttest.Hooks{After: persisttest.On(persisttest.ByUser, func(c *persisttest.Call) { c.Listing.Unreadable++ })})
	list, err := s.ListForUser(t.Context(), "ann")
	if err != nil || len(list) != 1 || s.Stats().Unreadable != 1 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
}

func TestListIsOrderedAndShowsUnwrittenChanges(t *testing.T) {
	suite(t, func(f *fixture) {
		a, _ := f.login("ann")
		f.clock.advance(time.Second)
		b, _ := f.login("ann")
		c, _ := f.login("ann") // the same instant: the newest id comes first
		f.login("bob")
		f.clock.advance(time.Second)
		f.must(f.s().Touch(f.Context(), a.ID(), f.clock.t, f.clock.t.Add(time.Hour)))
		list, err := f.s().ListForUser(f.Context(), "ann")
		f.must(err)
		tie := []sessile.ID{b.ID(), c.ID()}
		slices.SortFunc(tie, func(x, y sessile.ID) int { return y.Compare(x) })
		if want := append([]sessile.ID{a.ID()}, tie...); !slices.Equal(f.ids(list), want) {
			f.Fatalf("list is %v, want %v", f.ids(list), want)
		}
		if !list[0].LastActiveAt().Equal(f.clock.t) {
			f.Fatal("the list does not show the touch")
		}
		none, err := f.s().ListForUser(f.Context(), "carl")
		if err != nil || len(none) != 0 {
			f.Fatalf("list of nobody: %v, %v", none, err)
		}
	})
}

func TestListLeavesOutExpiredAndDestroyed(t *testing.T) { // S36
	suite(t, func(f *fixture) {
		_, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
		f.must(err)
		b, _ := f.login("ann")
		c, _ := f.login("ann")
		f.must(f.s().Destroy(f.Context(), b.ID()))
		f.clock.advance(time.Minute)
		list, err := f.s().ListForUser(f.Context(), "ann")
		f.must(err)
		if !slices.Equal(f.ids(list), []sessile.ID{c.ID()}) {
			f.Fatalf("list is %v", f.ids(list))
		}
	})
}

func TestListThatCannotBeReadIsAnError(t *testing.T) {
	s, h := hookedMemory(t, sessile.Config{})
	h.Set(persisttest.Hooks{Fail: persisttest.FailOn(persisttest.ByUser, persist.ErrUnavailable)})
	if list, err := s.ListForUser(t.Context(), "ann"); !errors.Is(err, sessile.ErrUnavailable) || list != nil {
		t.Errorf("%v, %v", list, err)
	}
}
