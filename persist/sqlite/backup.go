package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Backup writes a copy to path, which must not exist: consistent under load,
// checked, mode 0600, and on disk when Backup returns. What a failed one has
// begun is removed.
func (d *DB) Backup(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if err := d.vacuumInto(ctx, path); err != nil {
		return err
	}
	if err := checkCopy(ctx, path); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (d *DB) vacuumInto(ctx context.Context, path string) (err error) {
	c, err := connect(d.cfg, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetInterrupt(ctx.Done())
	defer c.SetInterrupt(nil)
	return sqlitex.ExecuteTransient(c, `VACUUM INTO ?`, &sqlitex.ExecOptions{Args: []any{path}})
}

func checkCopy(ctx context.Context, path string) (err error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetInterrupt(ctx.Done())
	defer c.SetInterrupt(nil)
	result, err := queryBytes(c, `PRAGMA integrity_check`)
	if err == nil && string(result) != "ok" {
		err = fmt.Errorf("integrity check of the copy: %s", result)
	}
	return err
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
