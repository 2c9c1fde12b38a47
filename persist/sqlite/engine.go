package sqlite

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// init registers the engine, so that a program opens session files by importing this
// package. The root cannot import it instead: Go links every package that is imported,
// used or not, and a program over another backend would carry SQLite.
func init() { persist.RegisterEngine(engine{}) } //nolint:gochecknoinits // see docs/decisions/engines.md

// engine is the [persist.Engine] of SQLite files.
type engine struct{}

func (engine) CheckPath(path string) error { return CheckPath(path) }

func (engine) Open(ctx context.Context, f persist.FileOptions) (persist.Backend, error) {
	db, err := Open(ctx, Config{Path: f.Path, CreateDirs: f.CreateDirs})
	if err != nil {
		return nil, err
	}
	return db, nil
}

func (engine) Restore(ctx context.Context, backup, path string, now int64) (persist.Restored, error) {
	return Restore(ctx, backup, path, now)
}
