package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessile/sessile/persist"
)

// Apply commits b in one transaction with synchronous=FULL. When it returns nil, every
// StatusApplied item is on disk. An item that fails on its own, for example on a damaged
// page, is left out and StatusFailed; the others are committed.
//
// The error is persist.ErrUnavailable if nothing was done, or persist.ErrUnknown if the
// COMMIT itself failed: only the next start shows what a failed fsync left on disk.
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
