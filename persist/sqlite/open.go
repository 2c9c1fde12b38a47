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

// Open opens or creates the file, takes its lock and brings its schema up to
// date. Its errors are persist.ErrLocked, with the pid of who has it,
// persist.ErrNewer, ErrNotStore, ErrReadOnly and ErrUnavailable. After the first
// three not a byte of the file has changed. persist.ErrForeignWAL says that a backup was
// copied over the file of a store that had been killed. What Open writes is on disk when
// it returns. If ctx ends while the disk hangs, Open returns, and what it has opened is
// closed when the disk goes on.
func Open(ctx context.Context, cfg Config) (_ *DB, err error) {
	if cfg, err = cfg.complete(); err != nil {
		return nil, err
	}
	if err := supported(sqlite.VersionNumber); err != nil {
		return nil, err
	}
	d := &DB{cfg: cfg, roomy: walRoom}
	opened, left := make(chan error), make(chan struct{})
	go func() { // it ends when the disk does what it was asked
		err := d.openOrClose(ctx)
		select {
		case opened <- err:
		case <-left: // nobody waits for it any more
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

// complete fills in the defaults and finds the file that is meant: two names of
// one file must have one lock.
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

// target is the file that a path leads to, whether it is there yet or not.
func target(path string) string {
	for range 40 { // as many links as Linux follows
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

// supported refuses an SQLite in which the end of a checkpoint can meet a write
// and lose it: 3.7.0 to 3.51.2.
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
			d.lock.forget() // what is not ours gets no file of ours beside it
		}
		return err
	}
	err = d.openWriter(ctx)
	if c != nil { // closed only now, so that a long WAL is recovered once
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

// openWriter opens the connection that writes, migrates, and learns what the DB
// must know of the file.
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
	} else if made != 0 { // it is the store from now on
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

// takeOver settles a WAL that was there: nobody knows of its end whether it was synced.
// While another program has the lock, that is left for the first commit.
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

// learn reads what only a new writer connection does not know yet.
func (d *DB) learn() error {
	guests, err := queryInt(d.writer, countGuests)
	if ownFault(err) { // one damaged page must not keep every other session from being served (D28)
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

// countGuests is needed at Open, and again when the file may have changed under us.
const countGuests = `SELECT count(*) FROM session WHERE user_id = ''`

// dataVersion changes with every commit of another connection, and not with our own.
const dataVersion = `PRAGMA data_version`

// learnFiles learns what tells our files from others.
func (d *DB) learnFiles() error {
	d.id.learn()
	if err := d.id.mark.learn(d.writer); err != nil {
		return err
	}
	d.id.mark.begin(d.id.file)
	return nil
}

// connectGuard opens the connection that is closed last when the file is not ours.
func (d *DB) connectGuard() error {
	if err := d.reachable(); err != nil {
		return err
	}
	c, err := connect(d.cfg, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	d.guard = c
	_, err = queryInt(c, `SELECT count(*) FROM sqlite_schema`) // it has the file's lock from then on
	return err
}
