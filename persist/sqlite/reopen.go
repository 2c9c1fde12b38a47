package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// ready is persist.ErrReplaced unless a commit can go to the file at the path.
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

// openAgain opens them.
func (d *DB) openAgain() (err error) {
	if err := d.id.checkBeside(); err != nil {
		return err
	}
	d.id.besides.Store(nil)
	d.reopening.Store(false)
	defer func() {
		if err != nil {
			d.reopening.Store(true)
		}
	}()
	if d.writer, err = d.connectWriter(); err != nil {
		return err
	}
	if d.seen, err = queryInt(d.writer, dataVersion); err != nil {
		return err
	}
	d.id.learn()
	d.foreign.Store(true) // whoever took them may have written
	d.broken, d.unbacked = false, false
	if err := d.connectGuard(); err != nil {
		return err
	}
	return d.learn()
}

// read runs fn on a connection that reads. What is in a file that was overwritten is not
// ours.
func (d *DB) read(ctx context.Context, fn func(*sqlite.Conn) error) error {
	if lost := d.lost.Load(); lost != nil {
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, *lost)
	}
	return d.readers.with(ctx, fn)
}
