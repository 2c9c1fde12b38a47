package sessile_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestOpenOfALockedFileIsRefusedAtOnce: while another process holds the lock, Open fails at once.
// When the lock is free, Open succeeds (R16, D16, D24).
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

func TestOpenUsesTheDefaultPath(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := sessile.Open(t.Context(), sessile.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := os.Stat(s.Config().Path); s.Config().Path != "sessile.db" || err != nil {
		t.Errorf("path %q: %v", s.Config().Path, err)
	}
}

func TestNewWithoutABackendIsRefused(t *testing.T) {
	if s, err := sessile.New(nil, sessile.Config{}); s != nil || !errors.Is(err, sessile.ErrInvalidConfig) {
		t.Errorf("%v, %v", s, err)
	}
}

func TestNewReportsNoFileOfAnotherBackend(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	s, err := sessile.New(persisttest.NewMemory(), sessile.Config{Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	opened := logs.FilterMessage("session store opened").All()
	if len(opened) != 1 || opened[0].ContextMap()["path"] != nil || s.Config().Path != "" {
		t.Errorf("path %q, %v", s.Config().Path, opened)
	}
}
