package faults

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"
)

// others runs a statement on the file from another program.
func others(t *testing.T, path, statement string) {
	t.Helper()
	c, err := zombie.OpenConn(path, zombie.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteTransient(c, statement, nil), c.Close()); err != nil {
		t.Fatal(err)
	}
}

// The deleted sessions are in memory, watched, or waiting for the disk. Their Done channels close.
func TestForeignDeleteEndsSessions(t *testing.T) { // D27
	path := filepath.Join(t.TempDir(), "s.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := sessile.Open(t.Context(), sessile.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var tokens []sessile.Token
		var sessions []sessile.Session
		for range 3 {
			x, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
			if err != nil {
				t.Fatal(err)
			}
			sessions, tokens = append(sessions, x), append(tokens, tok)
		}
		done := s.Done(t.Context(), sessions[0].ID())
		others(t, path, `DELETE FROM session`)
		if _, err := s.Renew(t.Context(), sessions[1].ID()); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Second)
		for i, tok := range tokens {
			if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrNotFound) {
				t.Errorf("session %d: %v", i, err)
			}
		}
		select {
		case <-done:
		default:
			t.Error("who watches a session was not told of its end")
		}
		if h := s.Health(); h.State != sessile.HealthDegraded {
			t.Errorf("%v, %q", h.State, h.Reason)
		}
	})
}

// Nothing happens for 30 days (in a bubble) after a login. The first request then sees what others have
// changed meanwhile.
func TestLookRestsForAMonthAndSeesForeignChangesAfterIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		var looks atomic.Int64
		backend := persisttest.HookedFile{Hooked: persisttest.Hook(db, persisttest.Hooks{
			Before: persisttest.On(persisttest.Look, func(*persisttest.Call) { looks.Add(1) }),
		})}
		s, err := sessile.New(backend, sessile.Config{TTL: 60 * 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, ann, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			<-time.After(24 * time.Hour)
			if h := s.Health(); h.State != sessile.HealthOK {
				t.Errorf("%v, %q", h.State, h.Reason)
			}
		}
		if n := looks.Load(); n > 100 {
			t.Errorf("%d looks", n)
		}
		if _, err := s.ReadByToken(t.Context(), ann); err != nil {
			t.Error(err)
		}
		<-time.After(24 * time.Hour)
		others(t, path, `DELETE FROM session`)
		if _, err := s.ReadByToken(t.Context(), ann); !errors.Is(err, sessile.ErrNotFound) {
			t.Errorf("what was deleted during the rest: %v", err)
		}
	})
	t.Logf("%v", time.Since(began))
}
