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

// Setup says how a store under test is opened.
type Setup struct {
	Path   string
	VFS    string                           // empty = SQLite's own
	Hot    int                              // Config.CacheSize: small, so that reads are cold
	Max    int                              // Config.MaxSessionsPerUser
	Adjust func(*sessile.Config)            // changes what else it is configured with; nil = nothing
	Wrap   func(*sqlite.DB) persist.Backend // wraps the backend of a negative control; nil = nothing
}

// Open does what sessile.Open does, over the VFS and with few connections.
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
		Logger: zap.NewNop(), // its disk fails on purpose, often
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

// Dir makes a directory for files that need not survive the machine: in memory
// if the system has such a place. The caller removes it.
func Dir() (string, error) {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return os.MkdirTemp(memory, "sessile-")
	}
	return os.MkdirTemp("", "sessile-")
}

// Copy copies a database as a crash of the process leaves it: what was written is
// there, synced or not, and what is in memory only is not.
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
