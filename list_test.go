package sessile_test

import (
	"errors"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

func TestListSkipsAnUnreadableRow(t *testing.T) {
	s, g := hookedFile(t, sessile.Config{})
	login(t, s, "ann")
	g.Set(persisttest.Hooks{After: persisttest.On(persisttest.ByUser, func(c *persisttest.Call) { c.Listing.Unreadable++ })})
	list, err := s.ListForUser(t.Context(), "ann")
	if err != nil || len(list) != 1 || s.Stats().Unreadable != 1 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
}

func TestListThatCannotBeReadIsAnError(t *testing.T) {
	s, h := hookedMemory(t, sessile.Config{})
	h.Set(persisttest.Hooks{Fail: persisttest.FailOn(persisttest.ByUser, persist.ErrUnavailable)})
	if list, err := s.ListForUser(t.Context(), "ann"); !errors.Is(err, sessile.ErrUnavailable) || list != nil {
		t.Errorf("%v, %v", list, err)
	}
}
