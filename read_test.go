package sessile_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"
)

// TestReadThatReachesTheDiskAfterCloseReturns: Close gave up waiting for the read.
func TestReadThatReachesTheDiskAfterCloseReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		h := persisttest.Hook(db, persisttest.Hooks{})
		s, err := sessile.New(persisttest.HookedFile{Hooked: h}, sessile.Config{
			CacheSize: 1, CleanupInterval: sessile.NoCleanup, CloseTimeout: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, tok := login(t, s, "u")
		login(t, s, "other")
		goOn, got := make(chan struct{}), make(chan error, 1)
		h.Set(persisttest.Hooks{Before: persisttest.On(persisttest.ByHash, func(*persisttest.Call) { <-goOn })})
		go func() { _, err := s.ReadByToken(context.Background(), tok); got <- err }()
		synctest.Wait()
		if err := s.Close(); err == nil || !strings.Contains(err.Error(), "1 reads have not ended") {
			t.Fatal(err)
		}
		close(goOn)
		if err := <-got; err == nil {
			t.Error("a read after Close succeeded")
		}
	})
}

// TestReadOfASessionThatIsRenewedMeanwhileIsNotExpired: the read takes until the old row has
// expired.
func TestReadOfASessionThatIsRenewedMeanwhileIsNotExpired(t *testing.T) {
	clock := behaviour.NewClock()
	s, h := hookedMemory(t, sessile.WithClock(sessile.Config{CacheSize: 1, TTL: time.Hour}, clock.Now))
	x, tok := login(t, s, "u")
	login(t, s, "other") // evicts x from memory
	h.Set(afterRead(func() {
		h.Set(persisttest.Hooks{})
		clock.Advance(50 * time.Minute)
		if _, err := s.Renew(t.Context(), x.ID()); err != nil {
			t.Error(err)
		}
		clock.Advance(20 * time.Minute)
	}))
	if _, err := s.ReadByToken(t.Context(), tok); err != nil {
		t.Errorf("a session that never expired: %v", err)
	}
	clock.Advance(80 * time.Minute)
	login(t, s, "third")
	if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
		t.Errorf("a session that has expired: %v", err)
	}
}

// TestReadWorksAfterAPanicOfTheBackend: net/http recovers, and the next read does not block.
func TestReadWorksAfterAPanicOfTheBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := hookedMemory(t, sessile.Config{CacheSize: 1})
		_, tok := login(t, s, "u")
		login(t, s, "v")
		h.Set(afterRead(func() { panic("once") }))
		func() {
			defer func() { _ = recover() }()
			_, _ = s.ReadByToken(t.Context(), tok)
			t.Error("the panic does not reach the caller")
		}()
		h.Set(persisttest.Hooks{})
		if _, err := s.ReadByToken(within(t), tok); err != nil {
			t.Errorf("the next read of that token: %v, %d loads", err, s.Stats().Loads)
		}
	})
}

// TestReadThatRacesADestroyDoesNotReviveTheSession forces this order (S32, D7):
//
//  1. A read reads the row.
//  2. The session is destroyed, and its deletion is committed.
//  3. The read returns.
func TestReadThatRacesADestroyDoesNotReviveTheSession(t *testing.T) {
	ends := map[string]func(*sessile.Store, sessile.Session) error{
		"destroy": func(s *sessile.Store, x sessile.Session) error { return s.Destroy(t.Context(), x.ID()) },
		"destroy all": func(s *sessile.Store, _ sessile.Session) error {
			_, err := s.DestroyAllForUser(t.Context(), "ann")
			return err
		},
		"rotate": func(s *sessile.Store, x sessile.Session) error {
			_, err := s.RotateToken(t.Context(), x.ID())
			return err
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s, g := hookedFile(t, sessile.Config{})
			x, tok := login(t, s, "ann")
			login(t, s, "bob") // pushes ann out of memory
			var once sync.Once
			g.Set(afterRead(func() {
				once.Do(func() {
					if err := end(s, x); err != nil {
						t.Error(err)
					}
				})
			}))
			for range 2 {
				if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrNotFound) {
					t.Fatalf("read after the end: %v", err)
				}
			}
		})
	}
}

// TestReadFromMemoryAllocatesNothing covers the hot path, by token and by its text.
func TestReadFromMemoryAllocatesNothing(t *testing.T) {
	s := openIn(t, sessile.Config{})
	_, tok := login(t, s, "ann")
	text, ctx := tok.Reveal(), t.Context()
	for name, read := range map[string]func() error{
		"ReadByToken": func() error { _, err := s.ReadByToken(ctx, tok); return err },
		"Lookup":      func() error { _, err := s.Lookup(ctx, text); return err },
	} {
		if n := testing.AllocsPerRun(1000, func() {
			if err := read(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestReadFromDiskEndsWithItsContext: it ends although the disk does not answer. Others that wait
// for the same session read again (I9).
func TestReadFromDiskEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := hookedFile(t, sessile.Config{})
		_, tok := login(t, s, "ann")
		login(t, s, "bob") // memory holds one session
		disk := make(chan struct{})
		g.Set(afterRead(func() { <-disk }))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := s.ReadByToken(ctx, tok); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the disk stalls: %v", err)
		}
		close(disk)
		if _, err := s.ReadByToken(t.Context(), tok); err != nil {
			t.Error(err)
		}
	})
}

// TestReadByTokenOfUnknownTokensLeavesNothing: a flood of unknown tokens leaves no row and no
// entry, and evicts nobody from memory. Tokens that the store did not make do not reach the disk; a
// stranger can make no others (R23, S6, S8, A9).
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

var strangers = flag.Int("strangers", 20_000, "unknown tokens that are presented")

// TestReadOfDamagedDataIsErrCorrupt: the error comes from the read, and other sessions are not
// affected.
func TestReadOfDamagedDataIsErrCorrupt(t *testing.T) { // D28
	for _, damage := range []string{``, `{"a":`, `[]`, `null`, "{\"a\":\"\x01\"}"} {
		s, g := hookedFile(t, sessile.Config{})
		bad, badToken := login(t, s, "ann")
		_, token := login(t, s, "ann")
		g.Set(changeRecords(func(r persist.Record) persist.Record {
			if r.ID == persist.ID(bad.ID()) {
				r.Data = []byte(damage)
			}
			return r
		}))
		if _, err := s.ReadByToken(t.Context(), badToken); !errors.Is(err, sessile.ErrCorrupt) || errors.Is(err, sessile.ErrNotFound) {
			t.Errorf("%q: %v", damage, err)
		}
		list, err := s.ListForUser(t.Context(), "ann")
		if err != nil || len(list) != 1 || s.Stats().Unreadable != 1 {
			t.Errorf("%q: a list of %d, %v", damage, len(list), err)
		}
		if _, err := s.ReadByToken(t.Context(), token); err != nil {
			t.Error(err)
		}
		if n, err := s.DestroyAllForUser(t.Context(), "ann"); n != 2 || err != nil {
			t.Errorf("%q: %d destroyed, %v", damage, n, err)
		}
	}
}

// A row may have times in the future, because a clock was ahead or somebody else wrote the row.
// Such a session lives no longer than its own lifetimes from its first read, whichever call reads
// it and however often the process restarts. Its authentication does not count.
func TestReadOfASessionFromTheFutureLimitsItsLifetimes(t *testing.T) {
	ways := map[string]func(*sessile.Store, sessile.ID, sessile.Token) (sessile.Session, error){
		"by token": func(s *sessile.Store, _ sessile.ID, tok sessile.Token) (sessile.Session, error) {
			return s.ReadByToken(context.Background(), tok)
		},
		"by id": func(s *sessile.Store, id sessile.ID, _ sessile.Token) (sessile.Session, error) {
			return s.Read(context.Background(), id)
		},
		"in a list": func(s *sessile.Store, _ sessile.ID, _ sessile.Token) (sessile.Session, error) {
			list, err := s.ListForUser(context.Background(), "ann")
			if len(list) == 0 {
				return sessile.Session{}, sessile.ErrNotFound
			}
			return list[0], err
		},
		"by who waits for its end": func(s *sessile.Store, id sessile.ID, _ sessile.Token) (sessile.Session, error) {
			s.Done(context.Background(), id)
			return s.Read(context.Background(), id)
		},
		"by the clean-up": func(s *sessile.Store, id sessile.ID, _ sessile.Token) (sessile.Session, error) {
			if n, err := s.CleanupExpired(context.Background()); n > 0 || err != nil {
				return sessile.Session{}, errors.Join(sessile.ErrExpired, err)
			}
			return s.Read(context.Background(), id)
		},
	}
	for name, look := range ways {
		t.Run(name, func(t *testing.T) {
			r := newRestarts(t, sessile.Config{TTL: time.Hour, MaxLifetime: 3 * time.Hour})
			r.forgets = true
			r.clock.set(365 * 24 * time.Hour)
			x, tok := login(t, r.again(), "ann")
			r.clock.set(-365 * 24 * time.Hour)
			s := r.again()
			began := s.Now()
			got, err := look(s, x.ID(), tok)
			if err != nil || !got.CreatedAt().Equal(began) || !got.LastActiveAt().Equal(began) || !got.AuthenticatedAt().IsZero() ||
				!got.ExpiresAt().Equal(began.Add(time.Hour)) || !got.Deadline().Equal(began.Add(3*time.Hour)) {
				t.Fatalf("at %v: created %v, active %v, authenticated %v, until %v and %v: %v",
					began, got.CreatedAt(), got.LastActiveAt(), got.AuthenticatedAt(), got.ExpiresAt(), got.Deadline(), err)
			}
			if name == "in a list" { // which keeps nothing
				return
			}
			for range 3 { // the lifetime does not restart
				r.clock.pass(20 * time.Minute)
				s = r.again()
				got, err := s.Read(t.Context(), x.ID())
				if err != nil || !got.ExpiresAt().Equal(began.Add(time.Hour)) || !got.AuthenticatedAt().IsZero() {
					t.Fatalf("until %v, authenticated %v: %v", got.ExpiresAt(), got.AuthenticatedAt(), err)
				}
			}
			if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
				t.Errorf("after its lifetime: %v", err)
			}
		})
	}
}

// TestReadByTokenLooksUpTheHash: the lookup uses the SHA-256 of the token, so its duration does not
// reveal how much of a guess was right (A7, S4).
func TestReadByTokenLooksUpTheHash(t *testing.T) {
	s, g := hookedFile(t, sessile.Config{})
	_, tok := login(t, s, "ann")
	login(t, s, "bob") // memory holds one session
	raw, err := base64.RawURLEncoding.DecodeString(tok.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	g.Set(changeRecords(func(r persist.Record) persist.Record {
		asked++
		if r.Hash != sha256.Sum256(raw) {
			t.Error("the row's key is not the token's hash")
		}
		return r
	}))
	if _, err := s.ReadByToken(t.Context(), tok); err != nil || asked != 1 {
		t.Fatalf("%d rows were read, %v", asked, err)
	}
}
