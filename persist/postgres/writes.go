package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
)

// plainWrites reports whether the batch consists of writes without a Retime, beside plain touches.
func (t *transaction) plainWrites() bool {
	for i := range t.b.Writes {
		if t.b.Writes[i].Retime != nil {
			return false
		}
	}
	return len(t.b.Ops)+t.need.retimes == 0
}

// conflicts reports whether a write found another version than it expects.
func (t *transaction) conflicts() bool {
	return slices.ContainsFunc(t.res.Writes, func(o persist.Outcome) bool { return o.Status == persist.StatusConflict })
}

// writeSQL decides as transaction.write does. The rows are locked.
const writeSQL = `WITH s AS (
	UPDATE SCHEMA.session s SET version = w.next, data = w.data
	FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[])
		AS w (id, key, version, next, data, last_active, expires_at), SCHEMA.activity a
	WHERE s.id = w.id AND w.key IN (0, s.key) AND s.version IN (w.version, w.next) AND a.key = s.key
	RETURNING s.key, w.last_active, w.expires_at
)
UPDATE SCHEMA.activity a SET last_active = greatest(a.last_active, s.last_active), expires_at = least(s.expires_at, a.deadline)
FROM s WHERE a.key = s.key`

// writeAtOnce is run for plain writes, in one round trip. It locks and reads as load does. A write that turns out to be refused
// is told to the other nodes too.
func (t *transaction) writeAtOnce(ctx context.Context, c *pgx.Conn) error {
	var q pgx.Batch
	t.queueLoad(&q)
	q.Queue(t.db.sql(writeSQL), writeColumns(t.b.Writes)...)
	for i := range t.b.Writes {
		t.changed = append(t.changed, t.b.Writes[i].Ref.ID)
	}
	for _, payload := range t.payloads() {
		q.Queue(beatSQL, t.db.channel(), payload) // it writes to the log too: there may be nothing else to write
	}
	if err := t.commit(ctx, c, &q); err != nil {
		return err
	}
	for i := range t.b.Writes {
		t.res.Writes[i] = t.write(&t.b.Writes[i])
	}
	return nil
}

func writeColumns(l []persist.Write) []any {
	ids, data := make([][]byte, len(l)), make([][]byte, len(l))
	keys, versions, next := make([]int64, len(l)), make([]int64, len(l)), make([]int64, len(l))
	lastActive, expiresAt := make([]int64, len(l)), make([]int64, len(l))
	for i := range l {
		w := &l[i]
		ids[i], keys[i], versions[i], next[i] = w.Ref.ID[:], w.Ref.Key, int64(w.If), int64(w.Next)
		data[i], lastActive[i], expiresAt[i] = notNull(w.Data()), w.LastActive, w.ExpiresAt
	}
	return []any{ids, keys, versions, next, data, lastActive, expiresAt}
}
