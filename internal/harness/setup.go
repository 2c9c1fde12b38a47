package harness

import (
	"context"
	"errors"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// Setup configures the store under test.
type Setup struct {
	Path   string
	VFS    string                           // "" = SQLite's own
	Hot    int                              // Config.CacheSize: small, so that reads reach the disk
	Max    int                              // Config.MaxSessionsPerUser
	Adjust func(*sessile.Config)            // changes other configuration; nil = none
	Wrap   func(*sqlite.DB) persist.Backend // wraps the backend, for negative controls; nil = none
}

// Open is like sessile.Open, but uses the VFS and few connections.
func (s Setup) Open(ctx context.Context) (*sessile.Store, error) {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: s.Path, VFS: s.VFS, Readers: 2})
	if err != nil {
		return nil, err
	}
	var backend persist.Backend = db
	if s.Wrap != nil {
		backend = s.Wrap(db)
	}
	cfg := sessile.Config{
		Path: s.Path, CacheSize: s.Hot, MaxSessionsPerUser: s.Max, CleanupInterval: sessile.NoCleanup,
		BatchInterval: 50 * time.Millisecond, CloseTimeout: 3 * time.Second,
		Logger: zap.NewNop(), // its disk often fails on purpose
	}
	if s.Adjust != nil {
		s.Adjust(&cfg)
	}
	store, err := sessile.New(backend, cfg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return store, nil
}

// Dir creates a directory for temporary files, in memory if the system supports that. The caller
// deletes it.
func Dir() (string, error) {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return os.MkdirTemp(memory, "sessile-")
	}
	return os.MkdirTemp("", "sessile-")
}

// Copy copies a database in the state that a crash of the process would leave: with everything that
// was written, synced or not.
func Copy(from, to string) error {
	for _, suffix := range []string{"", "-wal", "-journal"} {
		b, err := os.ReadFile(from + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(to+suffix, b, 0o600); err != nil { //nolint:gosec // the paths are a test's own
			return err
		}
	}
	return nil
}
