package sessile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

func TestBackupIsCompleteAndPrivateAndOpens(t *testing.T) { // D26, S51
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.must(f.s().Flush(f.Context(), s.ID(), map[string]int{"n": 5}, f.clock.t, f.clock.t.Add(time.Hour)))
		path := filepath.Join(f.TempDir(), "copy.db")
		f.must(f.s().Backup(f.Context(), path))
		if err := f.s().Backup(f.Context(), path); err == nil {
			f.Fatal("a backup wrote over a file")
		}
		info, err := os.Stat(path)
		f.must(err)
		if info.Mode().Perm() != 0o600 {
			f.Fatalf("mode %v", info.Mode())
		}
		cfg := f.cfg
		cfg.Path = path
		copied, err := sessile.Open(f.Context(), cfg)
		f.must(err)
		got, err := copied.ReadByToken(f.Context(), tok)
		f.must(err)
		if n, _, err := sessile.Get[int](got, "n"); n != 5 || err != nil {
			f.Fatalf("n is %d, %v", n, err)
		}
		f.must(copied.Close())
	})
}

func TestStatsAndHealthReportTheState(t *testing.T) { // D20
	suite(t, func(f *fixture) {
		if f.reopen {
			return // they are of one process
		}
		s, tok := f.login("ann")
		f.alive(tok)
		f.must(f.store.Touch(f.Context(), s.ID(), f.clock.t, f.clock.t.Add(time.Hour)))
		f.must(f.store.Sync(f.Context()))
		f.must(f.store.Destroy(f.Context(), s.ID()))
		st := f.store.Stats()
		if st.Created != 1 || st.Hits != 1 || st.Touches != 1 || st.Destroyed != 1 || st.Pending != 0 || st.Tombstones != 0 || st.Hot != 0 {
			f.Fatalf("%+v", st)
		}
		h := f.store.Health()
		if h.State != sessile.HealthOK || h.Reason != "" || h.FileBytes == 0 {
			f.Fatalf("%+v", h)
		}
		f.must(f.store.Close())
		if h := f.store.Health(); h.State != sessile.HealthFailed {
			f.Fatalf("health after Close is %v", h.State)
		}
	})
}

func TestOpenRefusesAFileThatItCannotUse(t *testing.T) { // D24, D25; the file's bytes are compared in persist/sqlite
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	s, err := sessile.Open(t.Context(), sessile.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sessile.Open(t.Context(), sessile.Config{Path: path}); !errors.Is(err, sessile.ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("locked: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(dir, "junk.db")
	if err := os.WriteFile(junk, bytes.Repeat([]byte("no database "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sessile.Open(t.Context(), sessile.Config{Path: junk}); !errors.Is(err, sessile.ErrNotStore) {
		t.Errorf("junk: %v", err)
	}
	if _, err := sessile.Open(t.Context(), sessile.Config{TTL: -1, BatchSize: -1}); !errors.Is(err, sessile.ErrInvalidConfig) {
		t.Errorf("config: %v", err)
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.NewTimer(d).C }

// TestTouchReachesTheDiskWithinTheBatchInterval uses virtual time (I7).
func TestTouchReachesTheDiskWithinTheBatchInterval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := sessile.Open(t.Context(), sessile.Config{Path: path, BatchInterval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		x, _ := login(t, s, "ann")
		before := s.Stats().Batches
		for range 100 {
			now := time.Now()
			if err := s.Touch(t.Context(), x.ID(), now, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			pass(time.Millisecond)
		}
		if st := s.Stats(); st.Batches != before || st.Pending != 1 {
			t.Fatalf("%d batches, %d pending", st.Batches-before, st.Pending)
		}
		pass(time.Minute)
		synctest.Wait()
		if st := s.Stats(); st.Batches != before+1 || st.Pending != 0 {
			t.Fatalf("%d batches, %d pending", st.Batches-before, st.Pending)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCleanupRunsByItself uses virtual time; "cleanup unscheduled" was a fault of the original.
func TestCleanupRunsByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var kinds []sessile.EventKind
		s, err := sessile.Open(t.Context(), sessile.Config{Path: path, TTL: time.Minute, CleanupInterval: time.Hour, Events: func(e sessile.Event) {
			mu.Lock()
			defer mu.Unlock()
			kinds = append(kinds, e.Kind)
		}})
		if err != nil {
			t.Fatal(err)
		}
		x, _ := login(t, s, "ann")
		done := s.Done(t.Context(), x.ID())
		pass(time.Minute + time.Second)
		synctest.Wait()
		select {
		case <-done: // closed at its expiry, without the sweeper
		default:
			t.Fatal("Done is open after the expiry")
		}
		pass(time.Hour)
		synctest.Wait()
		if _, err := s.Read(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotFound) {
			t.Fatalf("still there: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if fmt.Sprint(kinds) != "[created expired]" {
			t.Fatalf("events: %v", kinds)
		}
	})
}

// TestEventHookThatPanicsOrBlocksBreaksNothing: A10, S40.
func TestEventHookThatPanicsOrBlocksBreaksNothing(t *testing.T) {
	hold := make(chan struct{})
	t.Cleanup(sync.OnceFunc(func() { close(hold) }))
	n := 0
	s, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(t.TempDir(), "s.db"), Events: func(sessile.Event) {
		if n++; n == 2 {
			<-hold
		}
		panic("a broken hook")
	}})
	if err != nil {
		t.Fatal(err)
	}
	x, tok := login(t, s, "ann")
	if err := s.Destroy(t.Context(), x.ID()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		login(t, s, "bob")
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatal(err)
	}
	hold <- struct{}{}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCreateAndRotateWithoutEntropyFail: S2, A5.
func TestCreateAndRotateWithoutEntropyFail(t *testing.T) {
	broken := errors.New("no entropy")
	cfg := sessile.WithEntropy(sessile.Config{Path: filepath.Join(t.TempDir(), "s.db")}, errReader{broken})
	s, err := sessile.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); !errors.Is(err, broken) || !tok.IsZero() {
		t.Errorf("create: %v", err)
	}
	if _, err := s.RotateToken(t.Context(), sessile.ID{1}); !errors.Is(err, broken) {
		t.Errorf("rotate: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// sameReader returns the same bytes for ever.
type sameReader struct{}

func (sameReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestCreateWithACollisionIsErrConflict: A30, S23.
func TestCreateWithACollisionIsErrConflict(t *testing.T) {
	clock := newClock()
	cfg := sessile.WithEntropy(sessile.Config{Path: filepath.Join(t.TempDir(), "s.db")}, sameReader{})
	s, err := sessile.Open(t.Context(), sessile.WithClock(cfg, clock.now))
	if err != nil {
		t.Fatal(err)
	}
	victim, tok := login(t, s, "ann")
	clock.advance(time.Millisecond) // another id, with the same token
	if _, _, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); !errors.Is(err, sessile.ErrConflict) {
		t.Errorf("create: %v", err)
	}
	got, err := s.ReadByToken(t.Context(), tok)
	if err != nil || got.ID() != victim.ID() {
		t.Errorf("the victim: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSecretsAreNotInFilesLogsOrErrors greps the files, a backup, the log and the errors
// for tokens, and after the end of their sessions for data (S4, A12, A27, R22).
func TestSecretsAreNotInFilesLogsOrErrors(t *testing.T) {
	const sessions = 200
	old := umask(0)
	defer umask(old)
	dir := t.TempDir()
	var log bytes.Buffer
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.AddSync(&log), zapcore.DebugLevel))
	s, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(dir, "s.db"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	note := func(err error) {
		if err != nil {
			secretsInErrors(t, err, secrets)
		}
	}
	for i := range sessions {
		marker := fmt.Sprintf("payload-%04d-marker", i)
		x, tok, err := s.Create(t.Context(), sessile.Meta{}, fmt.Sprint("user", i), map[string]string{"k": marker})
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := s.RotateToken(t.Context(), x.ID())
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, marker, tok.Reveal(), fresh.Reveal())
		_, err = s.ReadByToken(t.Context(), tok)
		note(err)
		note(s.Destroy(t.Context(), x.ID()))
		_, err = s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("k", marker))
		note(err)
	}
	if err := s.Backup(t.Context(), filepath.Join(dir, "copy.db")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	grepFiles(t, dir, append(secrets, "Reveal"))
	for _, secret := range secrets {
		if strings.Contains(log.String(), secret) {
			t.Fatal("a secret is in the log")
		}
	}
}

func secretsInErrors(t *testing.T, err error, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Fatalf("a secret is in an error: %v", err)
		}
	}
}

func grepFiles(t *testing.T, dir string, secrets []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				t.Fatalf("%s contains %s", f.Name(), secret)
			}
		}
	}
}

// TestListSkipsAnUnreadableRow: a fault of the original.
func TestListSkipsAnUnreadableRow(t *testing.T) {
	s, g := openGated(t, sessile.Config{})
	login(t, s, "ann")
	g.listing = func(l persist.Listing) persist.Listing { l.Unreadable++; return l }
	list, err := s.ListForUser(t.Context(), "ann")
	if err != nil || len(list) != 1 || s.Stats().Unreadable != 1 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
}

// TestReadOfDamagedDataIsErrCorrupt, not half way through a request. The others are left in peace.
func TestReadOfDamagedDataIsErrCorrupt(t *testing.T) { // D28
	for _, damage := range []string{``, `{"a":`, `[]`, `null`, "{\"a\":\"\x01\"}"} {
		s, g := openGated(t, sessile.Config{})
		bad, badToken := login(t, s, "ann")
		_, token := login(t, s, "ann")
		g.record = func(r persist.Record) persist.Record {
			if r.ID == persist.ID(bad.ID()) {
				r.Data = []byte(damage)
			}
			return r
		}
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
