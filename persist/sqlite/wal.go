package sqlite

import (
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	// backEvery is the number of WAL frames after which a checkpoint copies them to the file. Callers
	// wait for it, so it is small (measured during a log-out of 100,000 sessions: the p99 of other
	// logins is 8 ms with 400 frames and 18 ms with 1,000; other rates are the same).
	backEvery = 400
	// walRoom is the size of the WAL, in bytes, at which Apply empties it. A passive checkpoint
	// only does that when no reader is in the way.
	walRoom = 32 << 20
	// tidyPatience is how long a checkpoint waits for readers while a caller waits for Apply.
	tidyPatience = 20 * time.Millisecond
)

// tidy copies a long WAL back to the file, and truncates one that has grown too long. Passive
// checkpoints cannot truncate it while there is always some reader.
//
// A caller waits for the commit, so tidy waits only briefly for readers, and does not try
// while a backup holds its snapshot. After a failure it tries again when the WAL has grown by
// walRoom. A failed tidy does not affect what was committed.
func (d *DB) tidy() {
	frames, done, err := progress(d.writer)
	if err == nil && frames >= backEvery && done < frames {
		if err = d.checkpoint(`PRAGMA wal_checkpoint(PASSIVE)`); err == nil {
			frames, done, err = progress(d.writer)
		}
		if done == frames {
			d.roomy = walRoom // no reader is in the way any more
		}
	}
	if !harmless(err) {
		d.broken = true
		return
	}
	n := size(d.cfg.Path + "-wal")
	if n < d.roomy || d.backup.Load() != nil {
		return
	}
	if err = d.checkpointSoon(); err == nil {
		d.roomy = walRoom
		return
	}
	d.roomy = n + walRoom
	d.broken = d.broken || !harmless(err)
}

// progress returns the number of frames in the WAL, and how many of them are in the file too.
func progress(c *sqlite.Conn) (frames, done int64, err error) {
	err = query(c, `PRAGMA wal_checkpoint(NOOP)`).rows(func(s *sqlite.Stmt) error {
		frames, done = s.ColumnInt64(1), s.ColumnInt64(2)
		return nil
	})
	return frames, done, err
}

// writtenBack reports whether the whole WAL is in the file and synced.
func (d *DB) writtenBack() bool {
	frames, done, err := progress(d.writer)
	return err == nil && frames == done && !d.unbacked
}

// empty copies the whole WAL to the file and truncates it.
func (d *DB) empty() error { return d.checkpoint(`PRAGMA wal_checkpoint(TRUNCATE)`) }

// checkpointSoon is empty with a short wait for readers.
func (d *DB) checkpointSoon() error {
	d.writer.SetBusyTimeout(min(tidyPatience, d.cfg.BusyTimeout))
	defer d.writer.SetBusyTimeout(d.cfg.BusyTimeout)
	return d.empty()
}

func (d *DB) checkpoint(pragma string) error {
	blocked := false
	err := sqlitex.ExecuteTransient(d.writer, pragma, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { blocked = s.ColumnBool(0); return nil },
	})
	if !harmless(err) && codeOf(err) != sqlite.ResultFull {
		d.unbacked = true
	}
	if err == nil && blocked {
		err = sqlite.ResultBusy.ToError()
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}
