package sqlite

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// init registers the engine, so that importing this package is enough to open session
// files. The root package cannot import it: Go links every imported package, and a program
// with another backend would then contain SQLite.
func init() { persist.RegisterEngine(engine{}) } //nolint:gochecknoinits // see docs/decisions/engines.md

// engine implements [persist.Engine] for SQLite files.
type engine struct{}

func (engine) CheckPath(path string) error { return CheckPath(path) }

func (engine) Open(ctx context.Context, f persist.FileOptions) (persist.Backend, error) {
	db, err := Open(ctx, Config{Path: f.Path, CreateDirs: f.CreateDirs})
	if err != nil {
		return nil, err
	}
	return db, nil
}

func (engine) Restore(ctx context.Context, backup, path string, o persist.RestoreOptions) (persist.Restored, error) {
	return Restore(ctx, backup, path, o)
}
