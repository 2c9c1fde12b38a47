package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// ready is persist.ErrFileReplaced unless a commit can go to the file at the path.
func (d *DB) ready() error {
	err := d.reachable()
	if errors.Is(err, errBeside) {
		return d.reopen()
	}
	if err == nil {
		err = replacedOf(d.checkLength())
	}
	return err
}

// reopen saves what is in a WAL that has lost its name, or whose index has: the
// connections still have both. The WAL is emptied into the file, then all of them are
// closed before the first is opened again. Those of one process share the index, so
// one with the new WAL beside one with the old would mix the two up.
func (d *DB) reopen() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w, and cannot be made anew: %w", errBeside, err)
		}
	}()
	if d.backup.Load() != nil { // it has a connection too
		d.stopBackup(errBeside)
		return errBackup
	}
	if !d.reopening.Load() {
		err := d.backAgain()
		if err == nil {
			err = d.checkpointSoon()
		}
		if err != nil {
			return errors.Join(err, d.left(true))
		}
		if err := d.left(false); err != nil {
			return err
		}
	}
	d.reopening.Store(true)
	if err := errors.Join(d.readers.pause(), d.closeAll()); err != nil {
		d.readers.resume()
		return err
	}
	defer d.readers.resume()
	return d.openAgain()
}

var errBackup = errors.New("a backup is under way")

// closeAll closes the connections that are not readers.
func (d *DB) closeAll() error {
	var errs []error
	if d.guard != nil {
		errs = append(errs, d.guard.Close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.Close())
	}
	d.guard, d.writer = nil, nil
	return errors.Join(errs...)
}

// openAgain opens them, the guard first. Whoever took the WAL away may bring it back at
// any moment, and the connections must not have one that is not at the path, nor one that
// is older than the file: the guard writes neither into the file.
func (d *DB) openAgain() (err error) {
	if err := d.id.checkBeside(); err != nil {
		return err
	}
	d.id.besides.Store(nil)
	wal, err := d.id.makeWAL()
	if err != nil {
		return err
	}
	d.reopening.Store(false)
	defer func() {
		if err != nil {
			d.reopening.Store(true)
			err = errors.Join(err, d.giveUp())
		}
	}()
	if err := d.connectGuard(); err != nil {
		return err
	}
	if err := d.checkMade(d.guard, wal); err != nil {
		return err
	}
	if d.writer, err = d.connectWriter(); err != nil {
		return err
	}
	if d.seen, err = queryInt(d.writer, dataVersion); err != nil {
		return err
	}
	d.id.learn()
	if err := d.checkMade(d.writer, wal); err != nil {
		return err
	}
	d.foreign.Store(true) // whoever took them may have written
	d.broken, d.unbacked = false, false
	return d.learn()
}

// makeWAL makes sure that there is a WAL, and returns it.
func (i *identity) makeWAL() (info os.FileInfo, err error) {
	f, err := os.OpenFile(i.names[0]+"-wal", os.O_RDWR|os.O_CREATE|plain, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Stat()
}

// checkMade looks whether a connection has the WAL that was there before it was opened. The
// file has all that was committed, so an older WAL is of no use to anybody, and goes.
func (d *DB) checkMade(c *sqlite.Conn, wal os.FileInfo) error {
	name := d.id.names[0] + "-wal"
	if !isAt(name, wal) {
		return errSwapped
	}
	own, _, err := readLinked(c)
	if err == nil && d.id.mark.inDB != nil && !d.id.mark.isLast(own) {
		err = errors.Join(errSwapped, os.Remove(name))
	}
	return err
}

var errSwapped = errors.New("another one took its place at this moment")

// giveUp closes the connections, the guard last.
func (d *DB) giveUp() error {
	var errs []error
	if d.writer != nil {
		errs = append(errs, d.writer.Close())
	}
	if d.guard != nil {
		errs = append(errs, d.guard.Close())
	}
	d.guard, d.writer = nil, nil
	return errors.Join(errs...)
}

// read runs fn on a connection that reads. What is in a file that was overwritten is not
// ours.
func (d *DB) read(ctx context.Context, fn func(*sqlite.Conn) error) error {
	if lost := d.lost.Load(); lost != nil {
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, *lost)
	}
	return d.readers.with(ctx, fn)
}
