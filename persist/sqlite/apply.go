package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// Apply commits b in one transaction with synchronous=FULL. An item that fails
// by itself, on a damaged page for example, is left out and reported as Failed;
// the others are committed.
func (d *DB) Apply(_ context.Context, b *persist.Batch) (persist.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.repair(); err != nil {
		return persist.Result{}, fmt.Errorf("%w: reopening after an I/O error: %w", persist.ErrUnavailable, err)
	}
	t := &transaction{c: d.writer, b: b, guests: d.guests}
	err := t.run()
	if itemFailed(err) {
		t = &transaction{c: d.writer, b: b, guests: d.guests, careful: true}
		err = t.run()
	}
	if err != nil {
		d.broken = d.broken || ioFailed(err) || !d.writer.AutocommitEnabled() || t.committing
		return persist.Result{}, t.judge(err)
	}
	d.guests = t.guests
	return t.res, nil
}

// repair replaces a writer that has met an I/O error. Only when a checkpoint has
// come through does the file surely hold what the connection believes (D10).
func (d *DB) repair() error {
	if !d.broken {
		return nil
	}
	if d.writer != nil {
		_ = d.writer.Close() // it is given up because it failed
		d.writer = nil
	}
	c, err := connect(d.cfg, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	if err := errors.Join(prepareWriter(c)); err != nil {
		return errors.Join(err, c.Close())
	}
	if err := checkpoint(c); err != nil && sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy {
		return errors.Join(err, c.Close())
	}
	d.writer = c
	if err := d.load(); err != nil {
		return err
	}
	d.broken = false
	return nil
}

// transaction is one attempt to commit a batch.
type transaction struct {
	c          *sqlite.Conn
	b          *persist.Batch
	res        persist.Result
	guests     int
	careful    bool // a savepoint for every item
	committing bool // it got as far as COMMIT
}

func (t *transaction) run() (err error) {
	t.res = persist.Result{
		Ops:     make([]persist.Outcome, len(t.b.Ops)),
		Writes:  make([]persist.Outcome, len(t.b.Writes)),
		Touches: make([]persist.Outcome, len(t.b.Touches)),
	}
	if err := t.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := t.items(); err != nil {
		if !t.c.AutocommitEnabled() { // some errors have rolled back already
			err = errors.Join(err, t.exec(`ROLLBACK`))
		}
		return err
	}
	t.committing = true
	if err := t.exec(`COMMIT`); err != nil {
		if !t.c.AutocommitEnabled() {
			err = errors.Join(err, t.exec(`ROLLBACK`))
		}
		return err
	}
	t.committing = false
	return nil
}

// judge tells a failure before COMMIT, which surely did nothing, from one at it.
// A commit that found the database busy was not begun.
func (t *transaction) judge(err error) error {
	if t.committing && sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy {
		return fmt.Errorf("%w: commit: %w", persist.ErrUnknown, err)
	}
	return fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
}

// itemFailed reports whether err is one item's own fault.
func itemFailed(err error) bool {
	own := []sqlite.ResultCode{
		sqlite.ResultConstraint, sqlite.ResultCorrupt, sqlite.ResultTooBig, sqlite.ResultMismatch,
		sqlite.ResultRange, sqlite.ResultError,
	}
	return err != nil && slices.Contains(own, sqlite.ErrCode(err).ToPrimary())
}

// items applies everything: writes and touches in key order, so that one page is
// visited once, then the operations in theirs.
func (t *transaction) items() error {
	for _, i := range byKey(t.b.Writes, func(w *persist.Write) int64 { return w.Ref.Key }) {
		if err := t.item(&t.res.Writes[i], func() (persist.Outcome, error) { return t.write(&t.b.Writes[i]) }); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	for _, i := range byKey(t.b.Touches, func(w *persist.Touch) int64 { return w.Ref.Key }) {
		w := &t.b.Touches[i]
		if err := t.item(&t.res.Touches[i], func() (persist.Outcome, error) {
			return t.activity(w.Ref, w.LastActive, w.ExpiresAt)
		}); err != nil {
			return fmt.Errorf("touch: %w", err)
		}
	}
	for i := range t.b.Ops {
		if err := t.item(&t.res.Ops[i], func() (persist.Outcome, error) { return t.op(&t.b.Ops[i]) }); err != nil {
			return fmt.Errorf("security operation: %w", err)
		}
	}
	return nil
}

// byKey is the order of the items' keys.
func byKey[T any](items []T, key func(*T) int64) []int {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(key(&items[a]), key(&items[b])) })
	return order
}

// item applies one item. In the careful attempt its failure is its outcome.
func (t *transaction) item(out *persist.Outcome, apply func() (persist.Outcome, error)) error {
	if !t.careful {
		o, err := apply()
		*out = o
		return err
	}
	guests := t.guests
	if err := t.exec(`SAVEPOINT item`); err != nil {
		return err
	}
	o, err := apply()
	if itemFailed(err) && !t.c.AutocommitEnabled() {
		t.guests = guests
		o, err = persist.Outcome{Status: persist.Failed, Err: err}, t.exec(`ROLLBACK TO item`)
	}
	if err != nil {
		return err
	}
	*out = o
	return t.exec(`RELEASE item`)
}

// exec runs a statement without parameters and rows.
func (t *transaction) exec(q string) error {
	st, err := t.c.Prepare(q)
	if err != nil {
		return err
	}
	_, err = st.Step()
	return errors.Join(err, ignoreReset(st, err))
}

// ignoreReset resets st; after a failed step that repeats the step's error.
func ignoreReset(st *sqlite.Stmt, failed error) error {
	if err := st.Reset(); failed == nil {
		return err
	}
	return nil
}

// change runs a statement that changes rows and returns how many.
func (t *transaction) change(q string, bind func(*sqlite.Stmt)) (int, error) {
	st, err := t.c.Prepare(q)
	if err != nil {
		return 0, err
	}
	bind(st)
	_, err = st.Step()
	if err := errors.Join(err, ignoreReset(st, err)); err != nil {
		return 0, err
	}
	return t.c.Changes(), nil
}

// rows runs a statement and calls row for each of its rows.
func (t *transaction) rows(q string, bind func(*sqlite.Stmt), row func(*sqlite.Stmt)) error {
	st, err := t.c.Prepare(q)
	if err != nil {
		return err
	}
	bind(st)
	for {
		more, err := st.Step()
		if err != nil || !more {
			return errors.Join(err, ignoreReset(st, err))
		}
		row(st)
	}
}

// key finds the key of a session that is known by its id only, 0 if there is none.
func (t *transaction) key(ref persist.Ref) (int64, error) {
	if ref.Key != 0 {
		return ref.Key, nil
	}
	key := int64(0)
	err := t.rows(`SELECT key FROM session WHERE id = ?`,
		func(s *sqlite.Stmt) { s.BindBytes(1, ref.ID[:]) },
		func(s *sqlite.Stmt) { key = s.ColumnInt64(0) })
	return key, err
}

// activity records an access. An older one changes nothing.
func (t *transaction) activity(ref persist.Ref, lastActive, expires int64) (persist.Outcome, error) {
	key, err := t.key(ref)
	if err != nil || key == 0 {
		return persist.Outcome{Status: persist.Gone}, err
	}
	n, err := t.change(`UPDATE activity SET last_active = max(last_active, ?2),
		expires_at = iif(?2 >= last_active, ?3, expires_at) WHERE key = ?1`,
		func(s *sqlite.Stmt) { s.BindInt64(1, key); s.BindInt64(2, lastActive); s.BindInt64(3, expires) })
	if err != nil || n == 0 {
		return persist.Outcome{Status: persist.Gone}, err
	}
	return persist.Outcome{Status: persist.Applied}, nil
}

// write replaces a session's data if its version is the expected one. It never
// inserts (A1, A2).
func (t *transaction) write(w *persist.Write) (persist.Outcome, error) {
	key, err := t.key(w.Ref)
	if err != nil || key == 0 {
		return persist.Outcome{Status: persist.Gone}, err
	}
	n, err := t.change(`UPDATE session SET data = ?3, version = ?5
		WHERE key = ?1 AND id = ?2 AND (version = ?4 OR version = ?5)`,
		func(s *sqlite.Stmt) {
			s.BindInt64(1, key)
			s.BindBytes(2, w.Ref.ID[:])
			s.BindBytes(3, w.Data())
			s.BindInt64(4, int64(w.If))
			s.BindInt64(5, int64(w.Next))
		})
	if err != nil {
		return persist.Outcome{}, err
	}
	if n == 0 {
		return t.conflict(w.Ref)
	}
	return t.activity(persist.Ref{ID: w.Ref.ID, Key: key}, w.LastActive, w.ExpiresAt)
}

// conflict tells a session of another version from one that is gone.
func (t *transaction) conflict(ref persist.Ref) (persist.Outcome, error) {
	o := persist.Outcome{Status: persist.Gone}
	err := t.rows(`SELECT version FROM session WHERE id = ?`,
		func(s *sqlite.Stmt) { s.BindBytes(1, ref.ID[:]) },
		func(s *sqlite.Stmt) {
			o = persist.Outcome{Status: persist.Conflict, Version: persist.Version(s.ColumnInt64(0))}
		})
	return o, err
}
