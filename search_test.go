package sessile_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// whileSearching runs change once, between the read of the first page and its answer.
func whileSearching(change func()) persisttest.Hooks {
	var done atomic.Bool
	return persisttest.Hooks{After: persisttest.On(persisttest.Search, func(*persisttest.Call) {
		if !done.Swap(true) {
			change()
		}
	})}
}

func search(t *testing.T, s *sessile.Store, q sessile.Query) (ids []sessile.ID, p sessile.Page) {
	t.Helper()
	p, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range p.Sessions {
		ids = append(ids, x.ID())
	}
	return ids, p
}

func TestSearchLeavesOutWhatIsDestroyedWhileRowsAreRead(t *testing.T) {
	for name, destroy := range map[string]func(*testing.T, *sessile.Store, sessile.ID) error{
		"session": func(t *testing.T, s *sessile.Store, id sessile.ID) error {
			t.Helper()
			return s.Destroy(t.Context(), id)
		},
		"user": func(t *testing.T, s *sessile.Store, _ sessile.ID) error {
			t.Helper()
			_, err := s.DestroyAllForUser(t.Context(), "ann")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, h := hookedFile(t, sessile.Config{})
			a, _ := login(t, s, "ann")
			b, _ := login(t, s, "bob")
			h.Set(whileSearching(func() {
				if err := destroy(t, s, a.ID()); err != nil {
					t.Error(err)
				}
			}))
			var got []sessile.ID
			for q := (sessile.Query{}); ; {
				ids, p := search(t, s, q)
				got = append(got, ids...)
				if q.After = p.Next; p.Next == "" {
					break
				}
			}
			if !slices.Equal(got, []sessile.ID{b.ID()}) {
				t.Errorf("%v, want %v alone", got, b.ID())
			}
		})
	}
}

// The write is on disk and the session has left memory before the page is answered.
func TestSearchReadsARowAgainThatWasWrittenMeanwhile(t *testing.T) {
	s, h := hookedFile(t, sessile.Config{})
	a, _ := login(t, s, "ann")
	_, other := login(t, s, "bob")
	var renewed sessile.Session
	h.Set(whileSearching(func() {
		var err error
		renewed, err = s.Renew(t.Context(), a.ID())
		if err := errors.Join(err, s.Sync(t.Context()), readErr(t, s, other)); err != nil {
			t.Error(err)
		}
	}))
	_, p := search(t, s, sessile.Query{UserID: "ann"})
	if len(p.Sessions) != 1 || !p.Sessions[0].LastActiveAt().Equal(renewed.LastActiveAt()) || !renewed.LastActiveAt().After(a.LastActiveAt()) {
		t.Errorf("%v, want last active at %v", p.Sessions, renewed.LastActiveAt())
	}
}

func TestSearchLoadsNothingIntoMemory(t *testing.T) {
	s, h := hookedFile(t, sessile.Config{CacheSize: 2})
	for range 10 {
		login(t, s, "ann")
	}
	_, first := login(t, s, "bob")
	_, second := login(t, s, "bob")
	ids, _ := search(t, s, sessile.Query{})
	if len(ids) != 12 {
		t.Fatalf("%d sessions", len(ids))
	}
	h.Set(persisttest.Hooks{Before: persisttest.On(persisttest.ByHash, func(*persisttest.Call) { t.Error("a hot session is read from the disk") })})
	for _, tok := range []sessile.Token{first, second} {
		if err := readErr(t, s, tok); err != nil {
			t.Error(err)
		}
	}
	if hot := s.Stats().Hot; hot != 2 {
		t.Errorf("%d sessions in memory", hot)
	}
}

// More than one piece of a page, and more than one page.
func TestSearchReturnsLargePages(t *testing.T) {
	s, _ := hookedMemory(t, sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit})
	for range 1100 {
		login(t, s, "ann")
	}
	ids, p := search(t, s, sessile.Query{Limit: 5000})
	rest, last := search(t, s, sessile.Query{Limit: 5000, After: p.Next})
	if len(ids) != 1000 || p.Next == "" || len(rest) != 100 || last.Next != "" {
		t.Errorf("%d and %d sessions, next %q and %q", len(ids), len(rest), p.Next, last.Next)
	}
	all := slices.Concat(ids, rest)
	slices.SortFunc(all, sessile.ID.Compare)
	if n := len(slices.Compact(all)); n != 1100 {
		t.Errorf("%d different sessions", n)
	}
}

func TestSearchRefusesTheCursorOfAnotherStore(t *testing.T) {
	file := openIn(t, sessile.Config{})
	memory, _ := hookedMemory(t, sessile.Config{})
	for range 2 {
		login(t, file, "ann")
	}
	_, p := search(t, file, sessile.Query{Limit: 1})
	if _, err := memory.Search(t.Context(), sessile.Query{After: p.Next}); !errors.Is(err, sessile.ErrInvalidQuery) {
		t.Error(err)
	}
}

func TestSearchSkipsAnUnreadableRow(t *testing.T) {
	s, h := hookedFile(t, sessile.Config{})
	login(t, s, "ann")
	h.Set(persisttest.Hooks{After: persisttest.On(persisttest.Search, func(c *persisttest.Call) { c.Page.Unreadable++ })})
	if ids, _ := search(t, s, sessile.Query{}); len(ids) != 1 || s.Stats().Unreadable != 1 {
		t.Errorf("%d sessions, %d unreadable", len(ids), s.Stats().Unreadable)
	}
}

func TestSearchAndCountThatFailAreAnError(t *testing.T) {
	s, h := hookedMemory(t, sessile.Config{})
	login(t, s, "ann")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, x := range []struct {
		prepare func()
		ctx     context.Context
		want    error
	}{
		{func() {}, ended, context.Canceled},
		{func() {
			h.Set(persisttest.Hooks{Fail: func(*persisttest.Call) error { return persist.ErrUnavailable }})
		}, t.Context(), sessile.ErrUnavailable},
		{func() { _ = s.Close() }, t.Context(), sessile.ErrClosed},
	} {
		x.prepare()
		p, err := s.Search(x.ctx, sessile.Query{})
		n, countErr := s.Count(x.ctx)
		if !errors.Is(err, x.want) || !errors.Is(countErr, x.want) || len(p.Sessions)+n > 0 {
			t.Errorf("%d, %v; %d, %v; want %v", len(p.Sessions), err, n, countErr, x.want)
		}
	}
}

func TestSearchThatHangsHoldsUpNobodyElse(t *testing.T) {
	s, h := hookedMemory(t, sessile.Config{})
	_, tok := login(t, s, "ann")
	began, release := make(chan struct{}), make(chan struct{})
	h.Set(persisttest.Hooks{Before: persisttest.On(persisttest.Search, func(*persisttest.Call) {
		close(began)
		<-release
	})})
	done := make(chan error)
	go func() {
		_, err := s.Search(t.Context(), sessile.Query{})
		done <- err
	}()
	<-began
	login(t, s, "bob")
	if err := errors.Join(readErr(t, s, tok), s.Sync(t.Context())); err != nil {
		t.Error(err)
	}
	second, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Search(second, sessile.Query{}); !errors.Is(err, context.Canceled) { // it waits for the first one
		t.Error(err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
