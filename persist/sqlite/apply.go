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
	return d.apply(ctx, b)
}

func (d *DB) apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
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
	t.synced = d.writtenBack()
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
	d.clock.Store(max(d.clock.Load(), t.clock))
	d.tidy()
	if err := d.left(d.broken); err != nil {
		d.broken = true
		return persist.Result{}, t.judge(err)
	}
	return t.res, nil
}
