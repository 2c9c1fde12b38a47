package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// Restore replaces the file at path with a copy of backup. At path there may be a store that
// was closed or killed, a damaged store, or nothing. The backup may be the result of Backup,
// a copy by another tool, or any closed store. The replaced file is kept under another name
// in the same directory. A kill or a power cut leaves either the old file or the new one; the
// next Open finishes a restore that had begun.
//
// The errors are those of Open for the backup, persist.ErrLocked if the store is open, and that
// of o.Confirm.
func Restore(ctx context.Context, backup, path string, o persist.RestoreOptions) (r persist.Restored, err error) {
	from, err := Config{Path: backup}.complete()
	if err != nil {
		return r, err
	}
	to, err := Config{Path: path}.complete()
	if err != nil {
		return r, err
	}
	r, err = restore(ctx, from, to, o)
	switch {
	case errors.Is(err, errNotConfirmed):
		return r, fmt.Errorf("restoring %s from %s: %w", path, backup, err)
	case err != nil:
		return r, fmt.Errorf("restoring %s from %s: %w", path, backup, openError(err))
	}
	return r, nil
}

var errNotConfirmed = errors.New("not confirmed")

func restore(ctx context.Context, from, to Config, o persist.RestoreOptions) (r persist.Restored, err error) {
	if a, err := os.Stat(from.Path); err != nil {
		return r, err
	} else if b, err := os.Stat(to.Path); err == nil && (os.SameFile(a, b) || !b.Mode().IsRegular()) {
		return r, errors.New("the file to replace is the backup itself, or not a regular file")
	}
	l, err := takeLock(to.Path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.release()) }()
	if err := finishRestore(to.Path); err != nil {
		return r, err
	}
	if lstat(to.Path) != nil { // a store whose lock file was deleted still has a claim on the file
		old, err := openIdentity(to.Path, to.given)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, old.close()) }()
	}
	partial := to.Path + ".restoring.partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return r, err
	}
	defer func() { _ = os.Remove(partial) }() // after success it has another name
	if err := f.Close(); err != nil {
		return r, err
	}
	staged := Config{Path: partial, BusyTimeout: to.BusyTimeout}
	if r.Made, err = copyBackup(ctx, from, staged); err != nil {
		return r, fmt.Errorf("reading the backup: %w", err)
	}
	if err := compare(ctx, &r, to, staged, o.Now); err != nil {
		return r, err
	}
	if err := endRestored(ctx, &r, to, staged, o); err != nil {
		return r, fmt.Errorf("ending restored sessions: %w", err)
	}
	if o.Confirm != nil {
		if err := o.Confirm(r); err != nil {
			return r, fmt.Errorf("%w: %w", errNotConfirmed, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	if err := errors.Join(os.Rename(partial, to.Path+staging), syncDir(filepath.Dir(to.Path))); err != nil {
		return r, err
	}
	return r, finishRestore(to.Path)
}

// copyBackup checks a backup and copies it. It leaves no file beside the backup.
func copyBackup(ctx context.Context, from, to Config) (made int64, err error) {
	c, err := look(from)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetInterrupt(ctx.Done())
	if err := checkIntegrity(c); err != nil {
		return 0, fmt.Errorf("%w: %w", persist.ErrNotStore, err)
	}
	if made, err = backupMade(c); err != nil {
		return 0, err
	}
	return made, makeCopy(ctx, c, to, time.Time{})
}

// look opens the file of a store for reading, together with its WAL if it has one.
func look(cfg Config) (c *sqlite.Conn, err error) {
	if size(cfg.Path+"-wal") > 0 {
		c, err = connect(cfg, sqlite.OpenReadOnly)
	} else {
		c, err = connectAlone(cfg)
	}
	if err != nil {
		return nil, err
	}
	err = belongs(cfg, c, checkContent(c))
	if err == nil {
		_, err = storeKey(c) // an empty database is not a store
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// compare counts which sessions the restore brings back or loses.
func compare(ctx context.Context, r *persist.Restored, old, staged Config, now int64) error {
	c, err := connectAlone(staged)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetInterrupt(ctx.Done())
	if err := count(c, &r.Sessions, `SELECT count(*) FROM activity WHERE expires_at > ?`, now); err != nil {
		return err
	}
	info, err := os.Stat(old.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.Kept = kept(old.Path, staged.Path)
	if info.Size() == 0 {
		return nil
	}
	r.Unread = compareOld(ctx, r, old, staged, now)
	return ctx.Err()
}

// lookAtBoth opens the old file for reading, with the staged copy attached as "backup".
func lookAtBoth(ctx context.Context, old, staged Config) (*sqlite.Conn, error) {
	c, err := look(old)
	if err != nil {
		return nil, err
	}
	c.SetInterrupt(ctx.Done())
	if _, err := query(c, `ATTACH ? AS backup`).text(aloneURI(staged)).change(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func compareOld(ctx context.Context, r *persist.Restored, old, staged Config, now int64) (err error) {
	c, err := lookAtBoth(ctx, old, staged)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return errors.Join(
		count(c, &r.Revived, `SELECT count(*) FROM backup.activity AS a JOIN backup.session AS s USING (key)
			WHERE a.expires_at > ? AND NOT EXISTS (SELECT 1 FROM main.session AS o WHERE o.id = s.id)`, now),
		count(c, &r.Lost, `SELECT count(*) FROM main.activity AS a JOIN main.session AS s USING (key)
			WHERE a.expires_at > ? AND NOT EXISTS (SELECT 1 FROM backup.session AS o WHERE o.id = s.id)`, now),
		count(c, &r.Rotated, `SELECT count(*) FROM backup.activity AS a JOIN backup.session AS s USING (key)
			JOIN main.session AS o ON o.id = s.id WHERE a.expires_at > ? AND o.token_hash <> s.token_hash`, now))
}

func count(c *sqlite.Conn, n *int, sql string, now int64) error {
	return query(c, sql).int(now).rows(func(s *sqlite.Stmt) error { *n = s.ColumnInt(0); return nil })
}

// staging is the suffix of a complete copy that is about to replace the file.
const staging = ".restoring"

// kept returns the name for the replaced file. It is derived from the time of the copy, so that
// a restore that is resumed uses the same name.
func kept(path, staged string) string {
	name := path + ".replaced"
	if info, err := os.Stat(staged); err == nil {
		name += "-" + info.ModTime().UTC().Format("20060102T150405.000000")
	}
	return name
}

// finishRestore completes a restore whose copy is complete. The copy keeps its name until the
// last step, so that the next Open resumes after a kill at any moment:
//
//  1. The old file gets a second name.
//  2. Its WAL is renamed to match. Now the file at the path lacks acknowledged commits, but
//     every Open finds the copy first.
//  3. The index of the WAL is deleted; SQLite can rebuild it.
//  4. The copy replaces the file.
func finishRestore(path string) error {
	if _, err := os.Lstat(path + staging); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, step := range restoreSteps(path) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func restoreSteps(path string) []func() error {
	old := kept(path, path+staging)
	unless := func(err, fine error) error {
		if errors.Is(err, fine) {
			return nil
		}
		return err
	}
	return []func() error{
		func() error { return unless(unless(os.Link(path, old), fs.ErrExist), fs.ErrNotExist) },
		func() error { return unless(os.Rename(path+"-wal", old+"-wal"), fs.ErrNotExist) },
		func() error { return unless(os.Remove(path+"-shm"), fs.ErrNotExist) },
		func() error { return syncDir(filepath.Dir(path)) },
		func() error { return os.Rename(path+staging, path) },
		func() error { return syncDir(filepath.Dir(path)) },
	}
}
