package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessile/sessile/persist"
)

// tries is how often a transaction is tried that fails because of another node or a broken connection.
const tries = 5

// Apply commits b within [Config.ApplyTimeout]. When it returns nil, every item that is Applied is committed as synchronous_commit
// of the server says, and the other nodes are notified. The error is persist.ErrUnknown if COMMIT was sent and not answered,
// and persist.ErrUnavailable before that. The touches of b may be committed in both cases.
//
// An item that the server cannot store is Failed, and Apply commits the others one by one. If it cannot finish them, the error
// is persist.ErrUnknown for the whole batch.
func (d *DB) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	if err := ctx.Err(); err != nil {
		return persist.Result{}, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.ApplyTimeout)
	defer cancel()
	own := *b
	own.Writes = slices.Clone(b.Writes)
	for i := range own.Writes { // a further try must not encode again
		own.Writes[i].Data = sync.OnceValue(own.Writes[i].Data)
	}
	touches, err := d.applyTouches(ctx, &own)
	if err != nil {
		return persist.Result{}, err
	}
	res, err := d.commit(ctx, &own)
	if ownFault(err) {
		res, err = d.commitSingly(ctx, &own)
	}
	if err != nil {
		return persist.Result{}, err
	}
	merge(touches, res.Touches)
	res.Touches = touches
	return res, nil
}

// merge adds the outcomes of the touches that were applied like writes to those of the plain touches.
func merge(into, from []persist.Outcome) {
	for i, o := range from {
		if into[i].Status == 0 {
			into[i] = o
		}
	}
}

// commit does the writes, the touches with a Retime and the operations of b in one transaction.
func (d *DB) commit(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	t := newTransaction(d, b)
	if t.empty() {
		return t.res, nil
	}
	var err error
	unknown := false
	for try := 1; ; try++ {
		if err = d.attempt(ctx, t); err == nil && unknown && t.conflicts() {
			err = errOvertaken
			break
		}
		if err == nil {
			return t.res, nil
		}
		if t.sent && !refused(err) && !unknown {
			unknown = true
			d.unknown.Add(1)
		}
		// A write may be repeated after any outcome: it compares versions, and a session has its next version only from it.
		if try == tries || ctx.Err() != nil || !again(err) || unknown && !t.plainWrites() {
			break
		}
		t = newTransaction(d, b)
	}
	if unknown {
		return persist.Result{}, fmt.Errorf("%w: %w", persist.ErrUnknown, err)
	}
	return persist.Result{}, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
}

// errOvertaken says that a write which may be committed finds a version of another:
//
//  1. A write is committed, and the connection breaks before the answer.
//  2. Another node changes the session.
//  3. The write is repeated, and conflicts. Applied to what the session is now, it would be applied twice.
var errOvertaken = errors.New("another node has changed the session since")

// attempt runs t on a connection. If the connection fails, the pool replaces the others too, and the next try gets a new one.
func (d *DB) attempt(ctx context.Context, t *transaction) error {
	conn, err := d.writes.Acquire(ctx)
	if err != nil {
		distrust(d.writes, err)
		return err
	}
	defer conn.Release()
	if err = t.run(ctx, conn.Conn()); err == nil {
		return nil
	}
	d.guests.forget()
	if !conn.Conn().IsClosed() {
		_, _ = conn.Exec(ctx, "ROLLBACK")
	}
	return d.failedOn(conn, err)
}

// failedOn marks err with errConnection if it closed the connection, and replaces the others if they may fail too.
func (d *DB) failedOn(conn *pgxpool.Conn, err error) error {
	if err != nil && code(err) == "" && conn.Conn().IsClosed() {
		err = fmt.Errorf("%w: %w", errConnection, err)
	}
	distrust(d.writes, err)
	return err
}

// distrust replaces the connections of a pool if err says that they may hang, or lead to a server that accepts no more writes.
func distrust(p *pgxpool.Pool, err error) {
	if suspicious(err) {
		p.Reset()
	}
}

// commitSingly commits the items of b one by one, in the order of a batch, so that an item that the server refuses does not fail
// the others. The error is persist.ErrUnknown once one of them may be committed.
func (d *DB) commitSingly(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	res := newTransaction(d, b).res
	some, err := false, error(nil)
	commit := func(one *persist.Batch, into *persist.Outcome) bool {
		one.Now = b.Now
		*into, err = d.commitOne(ctx, one)
		if err != nil && some {
			err = d.inPart(err)
		}
		some = some || into.Status != persist.StatusFailed
		return err == nil
	}
	for i := range b.Writes {
		if !commit(&persist.Batch{Writes: b.Writes[i : i+1]}, &res.Writes[i]) {
			return res, err
		}
	}
	for i := range b.Touches {
		if b.Touches[i].Retime != nil && !commit(&persist.Batch{Touches: b.Touches[i : i+1]}, &res.Touches[i]) {
			return res, err
		}
	}
	for i := range b.Ops {
		if !commit(&persist.Batch{Ops: b.Ops[i : i+1]}, &res.Ops[i]) {
			return res, err
		}
	}
	return res, nil
}

// inPart returns the error of an item after others of its batch were committed. It is never persist.ErrUnavailable, which
// promises that nothing was done.
func (d *DB) inPart(err error) error {
	if errors.Is(err, persist.ErrUnknown) {
		return err
	}
	d.unknown.Add(1)
	return fmt.Errorf("%w: a part of the batch is committed: %s", persist.ErrUnknown, err.Error())
}

// commitOne commits a batch of one item.
func (d *DB) commitOne(ctx context.Context, b *persist.Batch) (persist.Outcome, error) {
	res, err := d.commit(ctx, b)
	if ownFault(err) {
		return failed(err), nil
	}
	if err != nil {
		return persist.Outcome{}, err
	}
	return slices.Concat(res.Writes, res.Touches, res.Ops)[0], nil
}

func failed(err error) persist.Outcome {
	return persist.Outcome{Status: persist.StatusFailed, Err: err}
}
