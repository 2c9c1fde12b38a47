// Package sqlite keeps sessions in one SQLite file. It owns the SQL, the schema,
// its migrations, the connections and the lock file, and refuses to know
// caching, policy and the clock: every time is an argument. A [DB] is safe for
// concurrent use, but for Apply, which one goroutine at a time may call.
//
// One connection writes, with synchronous=FULL: when Apply returns nil the batch
// survives a power cut. After any I/O error another connection takes its place, and
// the WAL is emptied or committed to anew before anything more is acknowledged: a
// failed fsync says nothing about what the kernel still holds. No commit goes without
// its fsync. [measured: with NORMAL for touches, 102 of 150 runs with one failed fsync
// lost an acknowledged revocation; with FULL for all none did]
//
// It carries no compatibility promise.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// Config says how to open a DB.
type Config struct {
	Path        string        // of the file; its directory is made, with mode 0700, if it is missing
	Readers     int           // connections that read, default 4
	BusyTimeout time.Duration // how long a lock of another program is waited for, default and at most 1 s
	VFS         string        // name of the SQLite VFS, for tests; empty = SQLite's own
}

// DB is an open session file: a [persist.Backend], [persist.Backuper] and
// [persist.Inspector].
type DB struct {
	cfg     Config
	lock    *lock
	key     []byte
	file    os.FileInfo // as opened, to notice that it was replaced
	readers *readers

	mu       sync.Mutex // guards what follows, between Apply and Watch
	writer   *sqlite.Conn
	broken   bool        // an I/O error: the writer must be replaced
	unsynced bool        // the WAL may hold commits of which no fsync is known
	unbacked bool        // a checkpoint failed: what is noted as written back may not be on disk
	wal      os.FileInfo // as the writer opened it, nil if unknown
	guests   int         // sessions without a user, as committed
	seen     int64       // the writer's data_version: only the commits of others change it
	roomy    int64       // bytes of WAL from which on the next truncation is tried

	foreign atomic.Bool // another program has written; taken by Watch
	warning atomic.Pointer[string]
	backup  atomic.Pointer[context.CancelCauseFunc] // of the Backup under way
	backups sync.Mutex                              // guards closed, and the beginning of a Backup
	closed  bool
	copies  sync.WaitGroup // the Backup under way
	once    sync.Once
	err     error // of Close
}

// Traits tells the engine's version and the store's key.
func (d *DB) Traits() persist.Traits {
	return persist.Traits{Engine: "SQLite " + sqlite.Version, Exclusive: true, StoreKey: slices.Clone(d.key)}
}

// Inspect tells the sizes of the file and of its WAL, and what Watch found.
func (d *DB) Inspect() persist.Info {
	i := persist.Info{FileBytes: size(d.cfg.Path), WALBytes: size(d.cfg.Path + "-wal")}
	if w := d.warning.Load(); w != nil {
		i.Warning = *w
	}
	return i
}

// size of a file in bytes, 0 if there is none.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Close ends a backup that is under way, empties the WAL into the file, closes every
// connection and frees the lock. It is idempotent, and always returns every failure of
// the first call.
func (d *DB) Close() error {
	d.once.Do(func() { d.err = d.close() })
	return d.err
}

func (d *DB) close() error {
	d.backups.Lock()
	d.closed = true
	d.backups.Unlock()
	d.stopBackup(errClosed)
	d.copies.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	if d.readers != nil { // Open came through: there may be something to empty
		errs = append(errs, d.readers.close())
		err := d.repair()
		if err == nil {
			err = d.empty()
		}
		errs = append(errs, err)
	}
	if d.writer != nil {
		errs = append(errs, d.closeWriter())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.release())
	}
	return errors.Join(errs...)
}

// closeWriter closes the last connection. Normally SQLite then writes the WAL back and
// deletes it. Where a checkpoint has failed it must not: see repair.
func (d *DB) closeWriter() error {
	if d.unbacked {
		c, err := connect(d.cfg, sqlite.OpenReadOnly)
		if err == nil {
			defer c.Close()
			_, err = queryInt(c, dataVersion) // it opens the WAL
		}
		if err != nil {
			return fmt.Errorf("left open, so that the WAL stays as it is: %w", err)
		}
	}
	err := d.writer.Close()
	d.writer = nil
	return err
}
