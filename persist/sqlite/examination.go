package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	"zombiezen.com/go/sqlite"
)

// Examination is what [Examine] found in a file.
type Examination struct {
	Schema, Newest int      // version of the file's schema, and the newest that this package knows
	Sessions       int      // stored sessions, including expired ones
	Clock          int64    // time of the latest commit, microseconds; 0 if unknown
	Made           int64    // when the file was made as a backup, microseconds; 0 if it is no backup
	Damage         []string // what the integrity check found, at most 20 lines; empty if the file is intact
}

// Examine checks the integrity of a session file, and changes nothing in it. Another process may
// have it open. The errors are those of Open.
func Examine(ctx context.Context, path string) (e Examination, err error) {
	cfg, err := Config{Path: path}.complete()
	if err != nil {
		return e, err
	}
	if e, err = examine(ctx, cfg); err != nil {
		return e, fmt.Errorf("examining %s: %w", path, openError(err))
	}
	return e, nil
}

func examine(ctx context.Context, cfg Config) (e Examination, err error) {
	e.Newest = len(migrations())
	c, err := lookShared(cfg)
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetInterrupt(ctx.Done())
	version, err := queryInt(c, `PRAGMA user_version`)
	if err != nil {
		return e, err
	}
	e.Schema = int(version)
	if e.Damage, err = damage(c); err != nil || len(e.Damage) > 0 {
		return e, err
	}
	sessions, err := queryInt(c, `SELECT count(*) FROM session`)
	if err != nil {
		return e, err
	}
	e.Sessions = int(sessions)
	if e.Clock, err = clockOf(c); err != nil {
		return e, err
	}
	e.Made, err = backupMade(c)
	return e, err
}

// lookShared is look for a file that another process may have open. Its index shows that.
func lookShared(cfg Config) (*sqlite.Conn, error) {
	if lstat(cfg.Path+"-shm") == nil || size(cfg.Path+"-wal") > 0 {
		return look(cfg)
	}
	c, err := connect(cfg, sqlite.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	if err := checkContent(c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// damage returns the findings of the integrity check, and sessions that lack half of their rows.
func damage(c *sqlite.Conn) (found []string, err error) {
	err = query(c, `PRAGMA integrity_check(20)`).rows(func(s *sqlite.Stmt) error {
		if line := s.ColumnText(0); line != "ok" {
			found = append(found, line)
		}
		return nil
	})
	if err != nil || len(found) > 0 {
		return found, err
	}
	halves, err := queryInt(c, `SELECT (SELECT count(*) FROM session WHERE key NOT IN (SELECT key FROM activity))
		+ (SELECT count(*) FROM activity WHERE key NOT IN (SELECT key FROM session))`)
	if err == nil && halves > 0 {
		found = append(found, fmt.Sprintf("%d sessions lack their times, or have nothing but times", halves))
	}
	return found, err
}

// Schema returns the version of a file's schema, and the newest that this package knows. It changes
// nothing in the file. The errors are those of Open.
func Schema(path string) (have, newest int, err error) {
	cfg, err := Config{Path: path}.complete()
	if err != nil {
		return 0, 0, err
	}
	c, err := lookShared(cfg)
	if err != nil {
		return 0, 0, fmt.Errorf("reading the schema of %s: %w", path, openError(err))
	}
	version, err := queryInt(c, `PRAGMA user_version`)
	if err := errors.Join(err, c.Close()); err != nil {
		return 0, 0, fmt.Errorf("reading the schema of %s: %w", path, openError(err))
	}
	return int(version), len(migrations()), nil
}

// Holder returns the process that has a session file open as its store, or "" if none has. It takes no
// lock, so it hinders no store. Do not call it in the process that has the file open: POSIX drops the
// locks of a process when the process closes the file. The error is errors.ErrUnsupported where the system cannot tell.
func Holder(path string) (pid string, err error) {
	cfg, err := Config{Path: path}.complete()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(cfg.Path, os.O_RDONLY|plain, 0)
	if err != nil {
		return "", fmt.Errorf("asking for the lock: %w", err)
	}
	held, err := isClaimed(f)
	if err := errors.Join(err, f.Close()); err != nil || !held {
		return "", err
	}
	return holder(cfg.Path + ".lock"), nil
}
