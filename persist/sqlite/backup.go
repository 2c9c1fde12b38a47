package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// Backup writes a copy of the store to path, which must not exist. The copy is consistent
// under load, integrity-checked, has mode 0600, and is on disk when Backup returns. It
// appears at path only once it is complete. It contains no deleted data.
//
// One backup runs at a time. If SQLite cannot read or write, the error is
// persist.ErrUnavailable. If ctx ends while the disk hangs, Backup returns at once, and the
// copy is abandoned when the disk responds.
func (d *DB) Backup(ctx context.Context, path string) (err error) {
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("backing up to %s: %w", path, os.ErrExist)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if err := d.beginBackup(&cancel); err != nil {
		cancel(nil)
		return err
	}
	done := make(chan error, 1)
	go func() { // ends when the disk responds; Close waits for it
		err := d.copyTo(ctx, path)
		d.endBackup()
		done <- err
	}()
	err = within(ctx, done)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		} else if codeOf(err) != sqlite.ResultError { // else the file system failed: for example, the directory does not exist
			err = fmt.Errorf("%w: %w", persist.ErrUnavailable, damaged(err))
		}
		err = fmt.Errorf("backing up to %s: %w", path, err)
	}
	cancel(nil)
	return err
}

// leave is how long a cancelled call may take to clean up before its caller stops waiting.
const leave = 100 * time.Millisecond

// within waits for the result on done, but not much longer than ctx lasts.
func within(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(leave):
		return ctx.Err()
	}
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

// stopBackup cancels the running backup. A backup's snapshot keeps the WAL from being
// emptied, and Close empties it.
func (d *DB) stopBackup(why error) {
	if cancel := d.backup.Load(); cancel != nil {
		(*cancel)(fmt.Errorf("%w: the backup was stopped: %w", persist.ErrUnavailable, why))
	}
}

// copyTo writes the copy under a temporary name in the same directory, then links it to path.
func (d *DB) copyTo(ctx context.Context, path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.partial")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := d.reachable(); err != nil {
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
	c, err := connect(d.cfg, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	to := Config{Path: f.Name(), VFS: d.cfg.VFS, BusyTimeout: d.cfg.BusyTimeout}
	err = makeCopy(ctx, c, to, info.ModTime())
	if err := errors.Join(err, c.Close()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // the caller has gone
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename, a link never replaces a file
		return err
	}
	return syncDir(filepath.Dir(path))
}

// makeCopy copies what c sees to an empty file. The copy gets its own mark, and the time
// made if it is a backup. It is integrity-checked and on disk when makeCopy returns.
func makeCopy(ctx context.Context, c *sqlite.Conn, to Config, made time.Time) error {
	if err := os.Chmod(to.Path, 0o600); err != nil {
		return err
	}
	c.SetInterrupt(ctx.Done())
	defer c.SetInterrupt(nil)
	// The copy must be able to shrink, whether or not the original can. SQLite records the
	// setting before a read-only connection fails to apply it to the original.
	if err := (pragma{"auto_vacuum", "INCREMENTAL", ""}).set(c); err != nil && codeOf(err) != sqlite.ResultReadOnly {
		return err
	}
	if err := sqlitex.ExecuteTransient(c, `VACUUM INTO ?`, &sqlitex.ExecOptions{Args: []any{to.Path}}); err != nil {
		return err
	}
	copied, err := connect(to, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	copied.SetInterrupt(ctx.Done())
	err = markCopy(copied, made)
	if err == nil {
		err = checkIntegrity(copied)
	}
	return errors.Join(err, copied.Close())
}

// markCopy gives a copy its marks. Its commit syncs the whole file.
func markCopy(c *sqlite.Conn, made time.Time) (err error) {
	for _, p := range []pragma{{"journal_mode", "MEMORY", "memory"}, {"synchronous", "FULL", "2"}} {
		if err := p.set(c); err != nil {
			return err
		}
	}
	end, err := sqlitex.ImmediateTransaction(c)
	if err != nil {
		return err
	}
	defer end(&err)
	if _, err := new(mark).renew(c); err != nil {
		return err
	}
	if made.IsZero() {
		_, err = query(c, `DELETE FROM meta WHERE name = 'backup'`).change()
		return err
	}
	return setMeta(c, "backup", binary.BigEndian.AppendUint64(nil, uint64(made.UnixMicro())))
}

// backupMade returns when the backup that c sees was made, in microseconds; 0 if unknown.
func backupMade(c *sqlite.Conn) (made int64, err error) {
	err = query(c, `SELECT value FROM meta WHERE name = 'backup'`).rows(func(s *sqlite.Stmt) error {
		if v := bytesOf(s, 0); len(v) == 8 {
			made = int64(binary.BigEndian.Uint64(v))
		}
		return nil
	})
	return made, err
}

func checkIntegrity(c *sqlite.Conn) error {
	result, err := queryText(c, `PRAGMA integrity_check(1)`)
	if err == nil && result != "ok" {
		err = fmt.Errorf("%w: integrity check: %s", persist.ErrCorrupt, result)
	}
	return err
}

// syncDir makes a new directory entry survive a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
