package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// Backup writes a copy to path, which must not exist: consistent under load,
// checked, with mode 0600, and on disk when Backup returns. It appears at path
// only when it is whole. Without what was deleted: that is not copied. One backup
// runs at a time. What SQLite cannot read or write is persist.ErrUnavailable.
func (d *DB) Backup(ctx context.Context, path string) (err error) {
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("backing up to %s: %w", path, os.ErrExist)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := d.beginBackup(&cancel); err != nil {
		return err
	}
	defer d.endBackup()
	if err := d.copyTo(ctx, path); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		} else if codeOf(err) != sqlite.ResultError { // else it is the file system's: a directory that is not there, for example
			err = fmt.Errorf("%w: %w", persist.ErrUnavailable, damaged(err))
		}
		return fmt.Errorf("backing up to %s: %w", path, err)
	}
	return nil
}

func (d *DB) beginBackup(cancel *context.CancelCauseFunc) error {
	d.backups.Lock()
	defer d.backups.Unlock()
	if d.closed {
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, errClosed)
	}
	if !d.backup.CompareAndSwap(nil, cancel) {
		return fmt.Errorf("%w: another backup is under way", persist.ErrUnavailable)
	}
	d.copies.Add(1)
	return nil
}

func (d *DB) endBackup() {
	d.backup.Store(nil)
	d.copies.Done()
}

var errClosed = errors.New("the file has been closed")

// stopBackup ends the backup under way: its snapshot keeps the WAL from being
// emptied, and Close wants it empty.
func (d *DB) stopBackup(why error) {
	if cancel := d.backup.Load(); cancel != nil {
		(*cancel)(fmt.Errorf("%w: the backup was stopped: %w", persist.ErrUnavailable, why))
	}
}

// copyTo makes the copy under another name in the same directory.
func (d *DB) copyTo(ctx context.Context, path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.partial")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if err := d.vacuumInto(ctx, f.Name()); err != nil {
		return err
	}
	if err := d.checkCopy(ctx, f.Name()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename it replaces nothing
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (d *DB) vacuumInto(ctx context.Context, path string) error {
	if err := d.reachable(); err != nil {
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
	c, err := connect(d.cfg, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	c.SetInterrupt(ctx.Done())
	err = sqlitex.ExecuteTransient(c, `VACUUM INTO ?`, &sqlitex.ExecOptions{Args: []any{path}})
	return errors.Join(err, c.Close())
}

func (d *DB) checkCopy(ctx context.Context, path string) error {
	c, err := connect(Config{Path: path, VFS: d.cfg.VFS, BusyTimeout: d.cfg.BusyTimeout}, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	c.SetInterrupt(ctx.Done())
	result, err := queryText(c, `PRAGMA integrity_check`)
	if err == nil && result != "ok" {
		err = fmt.Errorf("%w: integrity check of the copy: %s", persist.ErrCorrupt, result)
	}
	return errors.Join(err, c.Close())
}

// syncDir makes a new name in a directory survive a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
