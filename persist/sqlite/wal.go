package sqlite

import (
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	// backEvery is how many frames of the WAL are written back to the file at once.
	backEvery = 1000
	// walRoom is the size of the WAL, in bytes, from which on Apply empties it. Passive
	// checkpoints only do so when no reader is in the way.
	walRoom = 32 << 20
	// tidyPatience is how long a checkpoint waits for readers while somebody waits for us.
	tidyPatience = 20 * time.Millisecond
)

// tidy writes the WAL back to the file when it has some length, and empties one that
// has grown long, which passive checkpoints cannot while there is always some reader.
// If a reader is in the way now, that is tried again when the WAL has grown by as much.
// Somebody waits for what was committed: a reader gets a moment, and a backup, whose
// snapshot stays, is not tried. What was committed stays so if this fails.
func (d *DB) tidy() {
	frames, done, err := progress(d.writer)
	if err == nil && frames >= backEvery && done < frames {
		if err = d.checkpoint(`PRAGMA wal_checkpoint(PASSIVE)`); err == nil {
			frames, done, err = progress(d.writer)
		}
		if done == frames {
			d.roomy = walRoom // the reader that was in the way has left
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

// progress is how many frames the WAL has, and how many of them are in the file, too.
func progress(c *sqlite.Conn) (frames, done int64, err error) {
	err = query(c, `PRAGMA wal_checkpoint(NOOP)`).rows(func(s *sqlite.Stmt) error {
		frames, done = s.ColumnInt64(1), s.ColumnInt64(2)
		return nil
	})
	return frames, done, err
}

// writtenBack reports whether all of the WAL is in the file, and synced.
func (d *DB) writtenBack() bool {
	frames, done, err := progress(d.writer)
	return err == nil && frames == done && !d.unbacked
}

// empty writes the whole WAL back into the file and empties it.
func (d *DB) empty() error { return d.checkpoint(`PRAGMA wal_checkpoint(TRUNCATE)`) }

// checkpointSoon is empty with little patience for readers.
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
