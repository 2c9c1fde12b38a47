package actor

import (
	"slices"
	"testing"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// A session of every page is written, and leaves memory, while the page is read.
func TestSearchReadsSmallerPagesWhileOthersChangeThem(t *testing.T) {
	inBubble(t, func(c *Config) { c.Entries = 1 }, func(l *live) {
		other := l.newSession("u")
		for range 2 {
			l.newSession("u")
		}
		newest := l.newSession("u")
		var limits []int
		l.disk.Set(persisttest.Hooks{After: persisttest.On(persisttest.Search, func(c *persisttest.Call) {
			if limits = append(limits, c.Query.Limit); len(limits) > 4 {
				return
			}
			l.is(l.set(l.Context(), newest.ID, false), nil)
			l.is(l.Sync(l.Context()), nil)
			_, err := l.Find(l.Context(), persist.TokenKey{Hash: other.Hash})
			l.is(err, nil)
		})})
		f, err := l.Search(l.Context(), persist.Query{Limit: 4})
		l.is(err, nil)
		if want := []int{4, 2, 1, 1}; !slices.Equal(limits[:4], want) {
			t.Errorf("pages of %v sessions, want %v", limits, want)
		}
		if len(f.Views) != 4 || f.Views[0].ID != newest.ID {
			t.Fatalf("%d sessions", len(f.Views))
		}
		if _, written, err := f.Views[0].Doc.Get("k"); !written || err != nil {
			t.Errorf("the newest session is not as it was written: %v", err)
		}
	})
}

// TestSearchCountsWhatCannotBeRead, of all pages that it has read.
func TestSearchCountsWhatCannotBeRead(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		good := l.newSession("u")
		var damaged persist.Batch
		for i := range sliceSize + 1 {
			r := l.record("u")
			r.ID, r.Hash, r.Data = nthID(i), persist.Hash{9, byte(i >> 8), byte(i)}, []byte("{")
			damaged.Ops = append(damaged.Ops, persist.Op{Kind: persist.OpCreate, Record: r})
		}
		_, err := l.disk.Apply(l.Context(), &damaged)
		l.is(err, nil)
		f, err := l.Search(l.Context(), persist.Query{Limit: 2 * sliceSize})
		l.is(err, nil)
		equal(t, "unreadable", f.Unreadable, sliceSize+1)
		equal(t, "found", len(f.Views) == 1 && f.Views[0].ID == good.ID, true)
	})
}
