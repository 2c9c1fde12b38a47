package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
)

// applyTouches commits the touches of b that have no Retime, and leaves the outcomes of the others empty. The error is
// persist.ErrUnavailable even if the touches may be committed, because no other item of b is.
func (d *DB) applyTouches(ctx context.Context, b *persist.Batch) ([]persist.Outcome, error) {
	out := make([]persist.Outcome, len(b.Touches))
	plain := make([]int, 0, len(b.Touches))
	for i := range b.Touches {
		if b.Touches[i].Retime == nil {
			plain = append(plain, i)
		}
	}
	if len(plain) == 0 {
		return out, nil
	}
	var err error
	for try := 1; ; try++ {
		if err = d.tryTouches(ctx, b, plain, out); err == nil {
			return out, nil
		}
		if try == tries || ctx.Err() != nil || !again(err) {
			break
		}
	}
	return nil, fmt.Errorf("touching sessions: %w: %w", persist.ErrUnavailable, err)
}

// touchPlanSQL leaves one kind of plan for touchSQL: a nested loop over index scans. So the rows are locked in the order of
// their keys, and nodes do not deadlock. A hash join would also read the whole table.
const touchPlanSQL = `SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
	set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true)`

// The keys are in order. A touch that is older than what is stored changes nothing.
const touchSQL = `UPDATE SCHEMA.activity a SET last_active = greatest(a.last_active, t.last_active),
	expires_at = CASE WHEN a.last_active <= t.last_active THEN least(t.expires_at, a.deadline) ELSE a.expires_at END
	FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS t (key, last_active, expires_at) WHERE a.key = t.key RETURNING a.key`

// tryTouches is one implicit transaction, in one round trip. It may be repeated after any outcome.
func (d *DB) tryTouches(ctx context.Context, b *persist.Batch, plain []int, out []persist.Outcome) (err error) {
	conn, err := d.writes.Acquire(ctx)
	if err != nil {
		distrust(d.writes, err)
		return err
	}
	defer conn.Release()
	defer func() { err = d.failedOn(conn, err) }()
	keys, err := d.touchedKeys(ctx, conn.Conn(), b, plain)
	if err != nil {
		return err
	}
	there := make(map[int64]bool, len(plain))
	var q pgx.Batch
	q.Queue(touchPlanSQL)
	q.Queue(d.sql(touchSQL), touchColumns(b, plain, keys)...).Query(func(rows pgx.Rows) error {
		var key int64
		_, err := pgx.ForEachRow(rows, []any{&key}, func() error { there[key] = true; return nil })
		return err
	})
	clock := d.queueClock(&q, b.Now)
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return err
	}
	clock()
	for n, i := range plain {
		out[i].Status = persist.StatusGone
		if there[keys[n]] {
			out[i].Status = persist.StatusApplied
		}
	}
	return nil
}

// touchColumns are the columns of the touches in the order of their keys.
func touchColumns(b *persist.Batch, plain []int, keys []int64) []any {
	order := make([]int, len(plain))
	for n := range order {
		order[n] = n
	}
	slices.SortFunc(order, func(x, y int) int { return cmp.Compare(keys[x], keys[y]) })
	sorted, lastActive, expiresAt := make([]int64, len(plain)), make([]int64, len(plain)), make([]int64, len(plain))
	for to, n := range order {
		x := &b.Touches[plain[n]]
		sorted[to], lastActive[to], expiresAt[to] = keys[n], x.LastActive, x.ExpiresAt
	}
	return []any{sorted, lastActive, expiresAt}
}

const keysSQL = `SELECT id, key FROM SCHEMA.session WHERE id = ANY ($1)`

// touchedKeys returns the keys of the touched sessions, 0 for one that does not exist. It looks up those that the caller does not
// know.
func (d *DB) touchedKeys(ctx context.Context, c *pgx.Conn, b *persist.Batch, plain []int) ([]int64, error) {
	keys := make([]int64, len(plain))
	var unknown [][]byte
	for n, i := range plain {
		ref := &b.Touches[i].Ref
		if keys[n] = ref.Key; ref.Key == 0 {
			unknown = append(unknown, ref.ID[:])
		}
	}
	if unknown == nil {
		return keys, nil
	}
	rows, _ := c.Query(ctx, d.sql(keysSQL), unknown)
	found := make(map[persist.ID]int64, len(unknown))
	var id []byte
	var key int64
	_, err := pgx.ForEachRow(rows, []any{&id, &key}, func() error { found[persist.ID(id)] = key; return nil })
	for n, i := range plain {
		if keys[n] == 0 {
			keys[n] = found[b.Touches[i].Ref.ID]
		}
	}
	return keys, err
}

const clockSQL = `UPDATE SCHEMA.store SET clock = $1 WHERE clock < $1`

// queueClock adds the time of a batch to q if the stored time is a second behind. The caller calls the returned function once q is
// committed.
func (d *DB) queueClock(q *pgx.Batch, now int64) func() {
	const second = 1_000_000
	if now < d.clock.Load()+second {
		return func() {}
	}
	q.Queue(d.sql(clockSQL), now)
	return func() { d.clock.Store(now) }
}
