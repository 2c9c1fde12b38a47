package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessile/sessile/persist"
)

// transaction is one attempt to commit a batch. It locks and reads every session that the batch can affect, decides in Go as the
// reference backend does, and writes the differences.
type transaction struct {
	db   *DB
	b    *persist.Batch
	now  int64 // decides which sessions are active
	res  persist.Result
	need needs

	byID    map[persist.ID]*session
	byHash  map[persist.Hash]*session // by current and previous hash
	byUser  map[string][]*session     // of the users that are locked, ended ones included
	all     []*session
	keys    []int64    // for new sessions
	guests  *guestTurn // nil if no guest is created under a limit
	sent    bool       // COMMIT was on its way
	changed []persist.ID
}

// session is a stored session that the batch can affect, or a new one.
type session struct {
	persist.Record // of a stored one without Data, texts and TTL
	stored         bool
	ended          bool
	timesLost      bool // it has no row in activity
	newData        bool // Data and Version changed
	newTimes       bool // LastActive, ExpiresAt or Deadline changed
	newToken       bool // Hash, Rotation, AuthAt or CreatedAt changed
}

func newTransaction(d *DB, b *persist.Batch) *transaction {
	return &transaction{
		db: d, b: b, now: b.Now,
		res: persist.Result{
			Ops: make([]persist.Outcome, len(b.Ops)), Writes: make([]persist.Outcome, len(b.Writes)), Touches: make([]persist.Outcome, len(b.Touches)),
		},
		need: needsOf(b), byID: map[persist.ID]*session{}, byHash: map[persist.Hash]*session{}, byUser: map[string][]*session{},
	}
}

// empty reports whether the batch consists of plain touches.
func (t *transaction) empty() bool { return len(t.b.Ops)+len(t.b.Writes)+t.need.retimes == 0 }

// run runs the transaction on c.
func (t *transaction) run(ctx context.Context, c *pgx.Conn) error {
	if t.plainWrites() {
		return t.writeAtOnce(ctx, c)
	}
	if err := t.load(ctx, c); err != nil {
		return err
	}
	for i := range t.b.Writes {
		t.res.Writes[i] = t.write(&t.b.Writes[i])
	}
	for i := range t.b.Touches {
		if t.b.Touches[i].Retime != nil {
			t.res.Touches[i] = t.retouch(&t.b.Touches[i])
		}
	}
	if err := t.loadGuests(ctx, c); err != nil {
		return err
	}
	for i := range t.b.Ops {
		t.res.Ops[i] = t.op(&t.b.Ops[i])
	}
	return t.store(ctx, c)
}

// markSQL writes nothing but a record of the log. A transaction needs one for its COMMIT to wait for the standby:
//
//  1. A batch deletes a session. The standby is missing, so the outcome is unknown.
//  2. The retry finds nothing to delete. Its COMMIT succeeds at once.
//  3. The standby takes over. It still has the session.
//
// With the record, the retry waits as the first try does.
const markSQL = `SELECT pg_logical_emit_message(true, 'sessile', '')`

// store writes the differences, notifies and commits, in one round trip.
func (t *transaction) store(ctx context.Context, c *pgx.Conn) error {
	var q pgx.Batch
	t.queueDifferences(&q)
	for _, payload := range t.payloads() {
		q.Queue(notifySQL, t.db.channel(), payload)
	}
	if q.Len() == 0 {
		q.Queue(markSQL)
	}
	return t.commit(ctx, c, &q)
}

// commit sends q with a COMMIT.
func (t *transaction) commit(ctx context.Context, c *pgx.Conn, q *pgx.Batch) error {
	clock := t.db.queueClock(q, t.b.Now)
	committed := false
	q.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String() == "COMMIT"
		return nil
	})
	t.sent = true
	err := c.SendBatch(ctx, q).Close()
	switch {
	case !committed && err == nil:
		return errors.New("COMMIT was answered with ROLLBACK")
	case !committed:
		return err
	}
	if err := replicated(c); err != nil { // an error after the answer to COMMIT changes nothing
		return err
	}
	clock()
	t.commitGuests()
	return nil
}
