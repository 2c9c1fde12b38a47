package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// ready returns persist.ErrFileReplaced unless a commit would reach the file at the path.
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

// reopen saves the content of a WAL that was deleted or replaced, or whose index was. The
// connections still have both. reopen empties the WAL into the file and closes every
// connection before it opens a new one. Connections of one process share the index: a new
// connection to the new WAL beside an old one would mix the two up.
func (d *DB) reopen() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w, and reopening failed: %w", errBeside, err)
		}
	}()
	if d.backup.Load() != nil { // a backup has a connection too
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

// closeAll closes all connections except the readers.
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

// openAgain reopens the connections, the guard first. Whoever moved the WAL away may bring it
// back at any moment. No connection may use a WAL that is not at the path, or one that is
// older than the file. The guard writes neither into the file.
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
	d.foreign.Store(true) // whoever moved the files may have written to them
	d.broken, d.unbacked = false, false
	return d.learn()
}

// makeWAL opens or creates the WAL and returns its identity.
func (i *identity) makeWAL() (info os.FileInfo, err error) {
	f, err := os.OpenFile(i.names[0]+"-wal", os.O_RDWR|os.O_CREATE|plain, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Stat()
}

// checkMade checks that a connection uses the WAL that makeWAL returned. The file contains
// every commit, so an older WAL is useless and is deleted.
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

var errSwapped = errors.New("another file took its place meanwhile")

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

// read runs fn on a read connection. It refuses to read from a file that was overwritten.
func (d *DB) read(ctx context.Context, fn func(*sqlite.Conn) error) error {
	if lost := d.lost.Load(); lost != nil {
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, *lost)
	}
	return d.readers.with(ctx, fn)
}
