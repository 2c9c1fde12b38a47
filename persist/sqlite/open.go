package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// Open opens or creates the file, locks it and migrates its schema. Everything that Open
// writes is on disk when it returns. If ctx ends while the disk hangs, Open returns at once,
// and closes what it has opened when the disk responds.
//
// Errors:
//   - persist.ErrLocked: another process has the file open. The error names its pid.
//   - persist.ErrNewer and ErrNotStore: the file cannot be used.
//   - persist.ErrForeignWAL: a backup was copied over the file of a store that was killed.
//   - persist.ErrReadOnly and ErrUnavailable come with the cause.
//
// After ErrLocked, ErrNewer and ErrNotStore, every byte of the file is unchanged.
func Open(ctx context.Context, cfg Config) (_ *DB, err error) {
	if cfg, err = cfg.complete(); err != nil {
		return nil, err
	}
	if err := supported(sqlite.VersionNumber); err != nil {
		return nil, err
	}
	d := &DB{cfg: cfg, roomy: walRoom}
	opened, left := make(chan error), make(chan struct{})
	go func() { // ends when the disk responds
		err := d.openOrClose(ctx)
		select {
		case opened <- err:
		case <-left: // the caller has gone
			_ = d.Close()
		}
	}()
	err = within(ctx, opened)
	close(left)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", cfg.Path, err)
	}
	return d, nil
}

func (d *DB) openOrClose(ctx context.Context) error {
	err := d.open(ctx)
	if err == nil {
		return nil
	}
	err = openError(err)
	if left := d.Close(); left != nil {
		err = errors.Join(err, left)
	}
	return err
}

// complete fills in the defaults and resolves the path, so that two names of one file share
// one lock.
func (c Config) complete() (Config, error) {
	if err := CheckPath(c.Path); err != nil {
		return c, fmt.Errorf("sqlite: %w", err)
	}
	if c.Readers < 0 || c.BusyTimeout < 0 {
		return c, errors.New("sqlite: Readers and BusyTimeout must not be negative")
	}
	c.Readers = cmp.Or(c.Readers, 4)
	c.BusyTimeout = min(cmp.Or(c.BusyTimeout, time.Second), time.Second)
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return c, fmt.Errorf("finding %s: %w", c.Path, err)
	}
	c.Path, c.given = target(path), path
	return c, nil
}

// target resolves the links of a path, whether or not its file exists.
func target(path string) string {
	for range 40 { // Linux follows as many links
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// supported refuses SQLite 3.7.0 to 3.51.2, in which the end of a checkpoint can coincide
// with a write and lose it.
func supported(version int) error {
	if version < 3_051_003 {
		return fmt.Errorf("SQLite %s can corrupt a database in WAL mode: 3.51.3 or newer is needed", sqlite.Version)
	}
	return nil
}

func (d *DB) open(ctx context.Context) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.cfg.needDirectory(); err != nil {
		return err
	}
	if d.lock, err = takeLock(d.cfg.Path); err != nil {
		return err
	}
	if err := finishRestore(d.cfg.Path); err != nil {
		return fmt.Errorf("%w: finishing a restore: %w", persist.ErrUnavailable, err)
	}
	c, err := d.prepareFile()
	if err != nil {
		if err = openError(err); errors.Is(err, persist.ErrNotStore) || errors.Is(err, persist.ErrLocked) {
			d.lock.forget() // leave no file of ours beside a file that is not ours
		}
		return err
	}
	err = d.openWriter(ctx)
	if c != nil { // only now, so that SQLite recovers a long WAL once
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		return err
	}
	if err := d.connectGuard(); err != nil {
		return err
	}
	d.readers, err = newReaders(d.connectReader, d.cfg.Readers)
	return err
}

// openWriter opens the write connection, migrates the schema, and reads what the DB has to
// know about the file.
func (d *DB) openWriter(ctx context.Context) (err error) {
	recovered := size(d.cfg.Path+"-wal") > 0
	if d.writer, err = d.connectWriter(); err != nil {
		return err
	}
	d.writer.SetInterrupt(ctx.Done())
	defer func() { d.writer.SetInterrupt(nil) }()
	if err := d.takeOver(recovered); err != nil {
		return err
	}
	if err := migrate(ctx, d.writer, migrations()); err != nil {
		return err
	}
	if made, err := backupMade(d.writer); err != nil {
		return err
	} else if made != 0 { // the backup becomes the store
		if _, err := query(d.writer, `DELETE FROM meta WHERE name = 'backup'`).change(); err != nil && !harmless(err) {
			return err
		}
	}
	vacuum, err := queryInt(d.writer, `PRAGMA auto_vacuum`)
	if err != nil {
		return err
	}
	d.shrinks = vacuum != 0
	if d.key, err = storeKey(d.writer); err != nil {
		return err
	}
	at, err := clockOf(d.writer)
	if err != nil {
		return fmt.Errorf("reading the time of the latest commit: %w", err)
	}
	d.clock.Store(at)
	if d.seen, err = queryInt(d.writer, dataVersion); err != nil {
		return fmt.Errorf("reading the data version: %w", err)
	}
	if err := d.learnFiles(); err != nil {
		return err
	}
	return d.learn()
}

// takeOver settles a WAL that an earlier process left: nobody knows whether its end was
// synced. If another program has the lock, the first commit does that instead.
func (d *DB) takeOver(recovered bool) error {
	if !recovered {
		return nil
	}
	d.unsynced, d.unbacked = true, true
	err := d.settle()
	if codeOf(err) == sqlite.ResultBusy {
		d.broken = true
		return nil
	}
	return err
}

// learn reads what a new write connection does not know yet.
func (d *DB) learn() error {
	guests, err := queryInt(d.writer, countGuests)
	if ownFault(err) { // one damaged page must not make all other sessions unavailable
		guests, err = int64(d.guests), nil
		d.warn("the guests cannot be counted: the session file is damaged")
	}
	if err != nil {
		return fmt.Errorf("counting the guests: %w", err)
	}
	d.guests = int(guests)
	d.idle.forget()
	return d.left(false)
}

// countGuests counts the guests, at Open and after foreign writes.
const countGuests = `SELECT count(*) FROM session WHERE user_id = ''`

// dataVersion changes with every commit of another connection, but not with our own.
const dataVersion = `PRAGMA data_version`

// learnFiles records what identifies our files.
func (d *DB) learnFiles() error {
	d.id.learn()
	if err := d.id.mark.learn(d.writer); err != nil {
		return err
	}
	d.id.mark.begin(d.id.file)
	return nil
}

// connectGuard opens the connection that is closed last if the file is not ours.
func (d *DB) connectGuard() error {
	if err := d.reachable(); err != nil {
		return err
	}
	c, err := connect(d.cfg, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	d.guard = c
	_, err = queryInt(c, `SELECT count(*) FROM sqlite_schema`) // from now on it holds a lock on the file
	return err
}
