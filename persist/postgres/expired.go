package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
)

// The sweep reads the narrow table in key order, and asks the wide one for the ids of those that have ended only.
const expiredSQL = `WITH t AS MATERIALIZED (
	SELECT CASE WHEN $1::bigint > 0 THEN $1 ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $1 END AS now
), l AS MATERIALIZED (
	SELECT key, expires_at <= t.now OR $1 > 0 AND last_active > $1 AS over FROM SCHEMA.activity, t WHERE key > $2 ORDER BY key LIMIT $3
)
SELECT l.key, l.over, s.id FROM l LEFT JOIN SCHEMA.session s ON l.over AND s.key = l.key ORDER BY l.key`

// Expired returns up to limit sessions past their end at now, or last active after it. A now of 0 or less counts from the
// server's clock. A call looks at ten rows for each that it may return,
// and at least at a thousand.
func (d *DB) Expired(ctx context.Context, now, after int64, limit int) (refs []persist.Ref, next int64, err error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return nil, 0, err
	}
	most := max(1000, 10*limit)
	looked := 0
	err = d.query(ctx, func(ctx context.Context) error {
		refs, next, looked = nil, 0, 0
		rows, _ := d.reads.Query(ctx, d.sql(expiredSQL), now, after, most)
		var key int64
		var over bool
		var id []byte
		_, err := pgx.ForEachRow(rows, []any{&key, &over, &id}, func() error {
			if len(refs) == limit {
				return nil
			}
			looked++
			next = key
			if over && len(id) == len(persist.ID{}) {
				refs = append(refs, persist.Ref{ID: persist.ID(id), Key: key})
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if looked < most && len(refs) < limit {
		next = 0
	}
	return refs, next, nil
}
