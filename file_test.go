package sessile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
)

// TestFileThatIsMovedOrReplacedFailsEveryDurableCall: writes to a file without a name would be lost
// at the next start. So no call acknowledges anything, and the health says why. What was refused in
// memory stays refused (D27).
func TestFileThatIsMovedOrReplacedFailsEveryDurableCall(t *testing.T) {
	for name, c := range map[string]struct{ take, back func(path string) error }{
		"removed": {take: os.Remove},
		"moved":   {func(path string) error { return os.Rename(path, path+"x") }, func(path string) error { return os.Rename(path+"x", path) }},
		"replaced": {take: func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		}},
		"overwritten": {take: func(path string) error { return os.Truncate(path, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.db")
			synctest.Test(t, func(t *testing.T) {
				s, err := sessile.Open(t.Context(), sessile.Config{Path: path, CloseTimeout: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				ann, tok := login(t, s, "ann")
				bob, _ := login(t, s, "bob")
				if h := s.Health(); h.State != sessile.HealthOK {
					t.Fatalf("%v, %s", h.State, h.Reason)
				}
				if err := c.take(path); err != nil {
					t.Fatal(err)
				}
				if h := s.Health(); h.State != sessile.HealthFailed || h.Reason == "" {
					t.Errorf("%v, %q", h.State, h.Reason)
				}
				nothingIsAcknowledged(t, s, ann, bob)
				if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrNotFound) {
					t.Errorf("what was destroyed: %v", err)
				}
				if c.back == nil {
					if err := s.Close(); !errors.Is(err, sessile.ErrFileReplaced) {
						t.Errorf("Close: %v", err)
					}
					return
				}
				if err := c.back(path); err != nil {
					t.Fatal(err)
				}
				pass(5 * time.Second)
				if err := s.Sync(t.Context()); err != nil {
					t.Error(err)
				}
				login(t, s, "cem")
				if h := s.Health(); h.State != sessile.HealthOK {
					t.Errorf("%v, %q", h.State, h.Reason)
				}
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

// nothingIsAcknowledged fails the test if a call reports that something is on disk.
func nothingIsAcknowledged(t *testing.T, s *sessile.Store, ann, bob sessile.Session) {
	t.Helper()
	if err := s.Sync(t.Context()); !errors.Is(err, sessile.ErrUnavailable) || !errors.Is(err, sessile.ErrFileReplaced) {
		t.Errorf("Sync of nothing: %v", err)
	}
	if err := s.Destroy(t.Context(), ann.ID()); !errors.Is(err, sessile.ErrNotDurable) {
		t.Errorf("Destroy: %v", err)
	}
	if _, _, err := s.Create(t.Context(), sessile.Meta{}, "cem", nil); !errors.Is(err, sessile.ErrUnavailable) {
		t.Errorf("Create: %v", err)
	}
	if _, err := s.RotateToken(t.Context(), bob.ID()); !errors.Is(err, sessile.ErrUnavailable) {
		t.Errorf("RotateToken: %v", err)
	}
	if err := s.FlushDurable(t.Context(), bob.ID(), nil, s.Now(), s.Now().Add(time.Hour)); !errors.Is(err, sessile.ErrUnavailable) {
		t.Errorf("FlushDurable: %v", err)
	}
	if err := s.Sync(t.Context()); !errors.Is(err, sessile.ErrUnavailable) || !errors.Is(err, sessile.ErrFileReplaced) {
		t.Errorf("Sync: %v", err)
	}
	if err := s.Backup(t.Context(), filepath.Join(t.TempDir(), "copy.db")); !errors.Is(err, sessile.ErrFileReplaced) {
		t.Errorf("Backup: %v", err)
	}
}
