package sessile_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sessile/sessile"
)

var strangers = flag.Int("strangers", 20_000, "unknown tokens that are presented")

// TestReadByTokenOfUnknownTokensLeavesNothing: R23, S6, S8, A9. A flood of tokens that nobody was given
// leaves no row and no entry, and pushes nobody out of memory. Those that the store
// has not made, which is all that a stranger can make up, do not come to the disk.
func TestReadByTokenOfUnknownTokensLeavesNothing(t *testing.T) {
	s, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(t.TempDir(), "s.db"), CacheSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ended, gone := login(t, s, "ann")
	if err := s.Destroy(t.Context(), ended.ID()); err != nil {
		t.Fatal(err)
	}
	_, tok := login(t, s, "ann")
	for name, c := range map[string]struct {
		token   func() sessile.Token
		onDisk  uint64 // of each
		atLeast int
	}{
		"made up":                     {func() sessile.Token { return someToken(t) }, 0, *strangers},
		"of a session that has ended": {func() sessile.Token { return gone }, 1, *strangers / 10},
	} {
		before, began := s.Stats(), time.Now()
		for range c.atLeast {
			if _, err := s.ReadByToken(t.Context(), c.token()); !errors.Is(err, sessile.ErrNotFound) {
				t.Fatal(err)
			}
		}
		took := time.Since(began) / time.Duration(c.atLeast)
		after := s.Stats()
		if after.Hot != before.Hot || after.Created != before.Created || after.Tombstones != 0 || after.Loads != 0 || after.CacheEvictions != 0 {
			t.Errorf("%s: %+v", name, after)
		}
		if n := uint64(c.atLeast); after.UnknownTokens-before.UnknownTokens != n || after.ColdReads-before.ColdReads != n*c.onDisk {
			t.Errorf("%s: of %d, %d were counted and %d read from disk", name, n, after.UnknownTokens-before.UnknownTokens, after.ColdReads-before.ColdReads)
		}
		if _, err := s.ReadByToken(t.Context(), tok); err != nil || s.Stats().Hits != after.Hits+1 {
			t.Errorf("%s: the hot session is not hot: %v", name, err)
		}
		t.Logf("%d unknown tokens %s, %v each", c.atLeast, name, took)
	}
	if n, err := s.CleanupExpired(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// TestClockThatJumpsRevivesNothing: R18, S26, S27, S29: however the wall clock jumps, a
// session is never valid past its deadline, never again once it was seen expired,
// and its last activity never goes back.
func TestClockThatJumpsRevivesNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		clock := newClock()
		cfg := sessile.WithClock(sessile.Config{TTL: 24 * time.Hour, MaxLifetime: 72 * time.Hour, CleanupInterval: sessile.NoCleanup}, clock.now)
		s, _ := hookedStore(t, cfg)
		x, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
		if err != nil {
			r.Fatal(err)
		}
		over, last, high := false, x.LastActiveAt(), x.CreatedAt()
		r.Repeat(map[string]func(*rapid.T){
			"jump": func(r *rapid.T) {
				hours := rapid.OneOf(rapid.IntRange(-20, 20), rapid.IntRange(-87_600, 87_600)).Draw(r, "hours")
				clock.advance(time.Duration(hours) * time.Hour)
			},
			"access": func(*rapid.T) { _, _ = s.Renew(t.Context(), x.ID()) },
			"": func(r *rapid.T) {
				if clock.now().After(high) {
					high = clock.now()
				}
				got, err := s.ReadByToken(t.Context(), tok)
				if err != nil {
					over = true
					return
				}
				if over {
					r.Fatal("a session that was seen expired is valid again")
				}
				if !high.Before(x.Deadline()) && !clock.now().Before(x.Deadline()) {
					r.Fatal("a session is valid past its deadline")
				}
				if got.ExpiresAt().After(x.Deadline()) || got.LastActiveAt().Before(last) {
					r.Fatalf("expires %v, last active %v after %v", got.ExpiresAt(), got.LastActiveAt(), last)
				}
				last = got.LastActiveAt()
			},
		})
		if err := s.Close(); err != nil {
			r.Fatal(err)
		}
	})
}

// TestOpenOfALockedFileIsRefusedAtOnce: R16, D24, D16: while another process has the lock a
// store is refused at once, and it is opened when the lock is free.
func TestOpenOfALockedFileIsRefusedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	lock, err := os.Create(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := flock(lock); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	if _, err := sessile.Open(ctx, sessile.Config{Path: path}); !errors.Is(err, sessile.ErrLocked) || time.Since(began) > time.Second {
		t.Fatalf("%v after %v", err, time.Since(began))
	}
	if err := funlock(lock); err != nil {
		t.Fatal(err)
	}
	s, err := sessile.Open(ctx, sessile.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
