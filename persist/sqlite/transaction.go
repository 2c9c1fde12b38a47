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

// transaction is the attempt to commit a batch. The first run has no savepoints
// and ends at the first item that fails by itself; the careful one then gives
// every item a savepoint and leaves that one out.
type transaction struct {
	db         *DB
	c          *sqlite.Conn
	b          *persist.Batch
	res        persist.Result
	data       [][]byte // of the writes: encoded once for both runs
	guests     int      // sessions without a user, if this is committed
	taken      []guest  // out of their order
	clock      int64    // the time that goes to disk with this, 0 if none does
	synced     bool     // before it began, all of the database was in the file, and synced
	careful    bool
	committing bool // it came as far as COMMIT
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
	if err := t.tell(); err != nil && !ownFault(err) { // a damaged page keeps nobody out
		return err
	}
	if err := t.shrink(); err != nil && !ownFault(err) {
		return err
	}
	mark, err := t.mark()
	if err != nil {
		return err
	}
	t.c.SetInterrupt(nil) // from here on it is done or it is not: no context ends it half way
	t.committing = true
	if err := t.exec(`COMMIT`); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	t.db.id.mark.committed(mark)
	return t.db.reachable() // else what was committed is not at the path
}

// mark gives the commit its mark. A new epoch begins if the mark before is in the file for
// sure, because the new one is linked to it.
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

// clockStep is how often the time of a commit is stored, microseconds.
const clockStep = 1_000_000

// tell stores the time with the commit, unless what is stored is good enough.
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

// judge tells a failure that surely did nothing from one that may have: whatever
// the code, a COMMIT that fails may have written.
func (t *transaction) judge(err error) error {
	if t.committing {
		return fmt.Errorf("%w: %w", persist.ErrUnknown, err)
	}
	return fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
}

// notice looks what others have done since our last commit. If another program has
// written, the guests must be counted again, and Look tells of it (D27).
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

// items applies everything: writes and touches in the order of their keys, so
// that a page is visited once, then the operations in theirs.
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

// keyed is the key of an item of the batch, 0 if its session is not there.
type keyed struct {
	key  int64
	item int
}

// inOrder finds the keys of n items and sorts the items by them.
func (t *transaction) inOrder(n int, ref func(int) persist.Ref) ([]keyed, error) {
	order := make([]keyed, n)
	for i := range order {
		r := ref(i)
		if r.Key == 0 {
			err := query(t.c, `SELECT key FROM session WHERE id = ?`).blob(r.ID[:]).rows(
				func(s *sqlite.Stmt) error { r.Key = s.ColumnInt64(0); return nil })
			if err != nil && !ownFault(err) { // who is on a damaged page fails when its turn comes
				return nil, fmt.Errorf("finding a session by its id: %w", err)
			}
		}
		order[i] = keyed{r.Key, i}
	}
	slices.SortFunc(order, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	return order, nil
}

// item applies one item. In the careful run its failure is its outcome.
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

// exec runs a statement without parameters and rows.
func (t *transaction) exec(sql string) error {
	_, err := query(t.c, sql).change()
	return err
}
