package sqlite

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// transaction is one attempt to commit a batch. The first run uses no savepoints and stops at
// the first item that fails on its own. The second, careful run gives every item a savepoint
// and leaves failed items out.
type transaction struct {
	db         *DB
	c          *sqlite.Conn
	b          *persist.Batch
	res        persist.Result
	data       [][]byte // data of the writes, encoded once for both runs
	guests     int      // sessions without a user once this is committed
	taken      []guest  // entries taken from the eviction order
	clock      int64    // time that this commit stores, 0 if it stores none
	synced     bool     // at the start, the whole database was in the file and synced
	careful    bool
	committing bool // COMMIT was called
}

func newTransaction(d *DB, b *persist.Batch) *transaction {
	return &transaction{
		db: d, c: d.writer, b: b, data: make([][]byte, len(b.Writes)),
		res: persist.Result{
			Ops:     make([]persist.Outcome, len(b.Ops)),
			Writes:  make([]persist.Outcome, len(b.Writes)),
			Touches: make([]persist.Outcome, len(b.Touches)),
		},
	}
}

func (t *transaction) run() (err error) {
	t.guests = t.db.guests
	if err := t.exec(`BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			t.putBack(0)
		}
		if !t.c.AutocommitEnabled() { // some errors have rolled back already
			t.c.SetInterrupt(nil)
			err = errors.Join(err, t.exec(`ROLLBACK`))
		}
	}()
	if err := t.notice(); err != nil {
		return err
	}
	if err := t.items(); err != nil {
		return err
	}
	if err := t.tell(); err != nil && !ownFault(err) { // one damaged page must not stop all commits
		return err
	}
	if err := t.shrink(); err != nil && !ownFault(err) {
		return err
	}
	mark, err := t.mark()
	if err != nil {
		return err
	}
	t.c.SetInterrupt(nil) // COMMIT must not be interrupted
	t.committing = true
	if err := t.exec(`COMMIT`); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	t.db.id.mark.committed(mark)
	return t.db.reachable() // otherwise the commit is not in the file at the path
}

// mark writes the mark of this commit. A new epoch begins only if the previous mark is
// certainly in the file, because the new epoch is linked to it.
func (t *transaction) mark() (value []byte, err error) {
	m := &t.db.id.mark
	if m.inDB == nil || m.due() && t.synced {
		value, err = m.renew(t.c)
	} else {
		value, err = m.step(t.c)
	}
	if err == nil {
		m.maybe = append(m.maybe, value[:markBytes])
	}
	return value, err
}

// clockStep is how often a commit stores the time, microseconds.
const clockStep = 1_000_000

// tell stores Batch.Now with the commit, unless the stored time is recent enough.
func (t *transaction) tell() error {
	if t.b.Now < t.db.clock.Load()+clockStep {
		return nil
	}
	now := binary.BigEndian.AppendUint64(nil, uint64(t.b.Now))
	if _, err := query(t.c, `UPDATE meta SET value = ? WHERE name = 'clock'`).blob(now).change(); err != nil {
		return err
	}
	t.clock = t.b.Now
	return nil
}

// judge returns ErrUnavailable if nothing can have been done, and ErrUnknown once COMMIT was
// called: a failed COMMIT may have written, whatever its code.
func (t *transaction) judge(err error) error {
	if t.committing {
		return fmt.Errorf("%w: %w", persist.ErrUnknown, err)
	}
	return fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
}

// notice checks what others have done since our last commit. If another program has written,
// it counts the guests again and makes Look report it.
func (t *transaction) notice() error {
	foreign, err := t.db.examine(t.c)
	if err != nil || !foreign {
		return err
	}
	t.db.foreign.Store(true)
	return t.recount()
}

func (t *transaction) recount() error {
	return query(t.c, countGuests).rows(func(s *sqlite.Stmt) error {
		t.db.guests = s.ColumnInt(0)
		t.db.idle.forget()
		t.guests = t.db.guests
		return nil
	})
}

// items applies the whole batch. Writes and touches go in key order, so that each page is
// visited once. The operations follow in their own order.
func (t *transaction) items() error {
	order, err := t.inOrder(len(t.b.Writes), func(i int) persist.Ref { return t.b.Writes[i].Ref })
	if err != nil {
		return err
	}
	for _, k := range order {
		if err := t.item(&t.res.Writes[k.item], func() (persist.Outcome, error) { return t.write(k) }); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	order, err = t.inOrder(len(t.b.Touches), func(i int) persist.Ref { return t.b.Touches[i].Ref })
	if err != nil {
		return err
	}
	for _, k := range order {
		if err := t.item(&t.res.Touches[k.item], func() (persist.Outcome, error) { return t.touch(k) }); err != nil {
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

// keyed is the key of a batch item, 0 if its session does not exist.
type keyed struct {
	key  int64
	item int
}

// inOrder looks up the keys of n items and sorts the items by key.
func (t *transaction) inOrder(n int, ref func(int) persist.Ref) ([]keyed, error) {
	order := make([]keyed, n)
	for i := range order {
		r := ref(i)
		if r.Key == 0 {
			err := query(t.c, `SELECT key FROM session WHERE id = ?`).blob(r.ID[:]).rows(
				func(s *sqlite.Stmt) error { r.Key = s.ColumnInt64(0); return nil })
			if err != nil && !ownFault(err) { // an item on a damaged page fails later, on its own
				return nil, fmt.Errorf("finding a session by ID: %w", err)
			}
		}
		order[i] = keyed{r.Key, i}
	}
	slices.SortFunc(order, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	return order, nil
}

// item applies one item. In the careful run its own failure becomes its outcome.
func (t *transaction) item(out *persist.Outcome, apply func() (persist.Outcome, error)) error {
	if !t.careful {
		o, err := apply()
		*out = o
		return err
	}
	guests, taken := t.guests, len(t.taken)
	if err := t.exec(`SAVEPOINT item`); err != nil {
		return err
	}
	o, err := apply()
	if ownFault(err) && !t.c.AutocommitEnabled() {
		t.guests = guests
		t.putBack(taken)
		o, err = failed(damaged(err)), t.exec(`ROLLBACK TO item`)
	}
	if err != nil {
		return err
	}
	*out = o
	return t.exec(`RELEASE item`)
}

func failed(err error) persist.Outcome {
	return persist.Outcome{Status: persist.StatusFailed, Err: err}
}

// exec runs a statement without parameters or rows.
func (t *transaction) exec(sql string) error {
	_, err := query(t.c, sql).change()
	return err
}
