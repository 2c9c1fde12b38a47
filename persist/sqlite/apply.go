package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessile/sessile/persist"
)

// Apply commits b in one transaction with synchronous=FULL: when it returns nil,
// what is Applied is on disk. An item that fails by itself, on a damaged page for
// example, is left out and Failed; the others are committed. An error is
// persist.ErrUnavailable if nothing was done, and persist.ErrUnknown if the COMMIT
// itself failed: what a failed fsync has left is known after the next start only.
func (d *DB) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return persist.Result{}, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
	if err := d.ready(); err != nil {
		return persist.Result{}, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
	if err := d.repair(); err != nil {
		return persist.Result{}, fmt.Errorf("%w: %w", persist.ErrUnavailable, errors.Join(err, d.left(true)))
	}
	d.writer.SetInterrupt(ctx.Done())
	t := newTransaction(d, b)
	err := t.run()
	if ownFault(err) && !t.committing {
		t.careful = true
		err = t.run()
	}
	d.writer.SetInterrupt(nil)
	if err != nil {
		d.broken = t.committing || !harmless(err) || !d.writer.AutocommitEnabled()
		return persist.Result{}, t.judge(errors.Join(err, d.left(true)))
	}
	d.guests = t.guests
	d.tidy()
	return t.res, nil
}

// tidy empties a WAL that has grown long, which the passive checkpoints of every
// COMMIT cannot while there is always some reader. If a reader is in the way now,
// it is tried again when the WAL has grown by as much. Somebody waits for what was
// committed: a reader gets a moment, and a backup, whose snapshot stays, is not tried.
func (d *DB) tidy() {
	n := size(d.cfg.Path + "-wal")
	if n < d.roomy || d.backup.Load() != nil {
		return
	}
	err := d.checkpointSoon(d.writer)
	if left := d.left(err != nil); left != nil {
		d.broken = true // the next batch tells why
		return
	}
	if err == nil {
		d.roomy = walRoom
		return
	}
	d.roomy = n + walRoom
	d.broken = d.broken || !harmless(err) // what was committed stays committed
}
