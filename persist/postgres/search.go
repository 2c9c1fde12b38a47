package postgres

import (
	"cmp"
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
)

// The filters are compared without a locale, so that every server answers the same. The size of data is known without
// reading it.
const (
	candidatesSQL = `SELECT key, octet_length(data), ($1 = '' OR ip_address = $1) AND ($2 = ''
	OR position($2 IN lower(user_agent COLLATE "C")) > 0 OR position($2 IN lower(device_name COLLATE "C")) > 0)
	FROM SCHEMA.session WHERE key < $3 `
	searchAllSQL  = candidatesSQL + `ORDER BY key DESC LIMIT $4`
	searchUserSQL = candidatesSQL + `AND user_id = $5 ORDER BY key DESC LIMIT $4`
	byKeysSQL     = columns + `WHERE s.key = ANY ($1) ORDER BY s.key DESC`
)

// Search returns a page of the stored sessions. It takes two queries: the first one compares the filters of up to
// persist.MaxExamined rows, the second one reads the sessions of the page. A session that ends between them is left out.
func (d *DB) Search(ctx context.Context, q persist.Query) (persist.Page, error) {
	var p persist.Page
	if err := ctx.Err(); err != nil {
		return p, err
	}
	if err := q.Check(); err != nil || !q.Storable() {
		return p, err
	}
	err := d.query(ctx, func(ctx context.Context) error {
		p = persist.Page{}
		keys, next, err := d.candidates(ctx, &q)
		if err != nil || len(keys) == 0 {
			p.Next = next
			return err
		}
		p.Next = next
		rows, _ := d.reads.Query(ctx, d.sql(byKeysSQL), keys)
		return eachRecord(rows, func(r persist.Record, err error) {
			if err != nil {
				p.Unreadable++
				return
			}
			p.Records = append(p.Records, r)
		})
	})
	if err != nil {
		return persist.Page{}, err
	}
	return p, nil
}

// candidates returns the keys of the sessions in a page, and where the next page begins.
func (d *DB) candidates(ctx context.Context, q *persist.Query) (keys []int64, next int64, err error) {
	most := persist.MaxExamined
	if q.IPAddress == "" && q.Device == "" { // every row matches
		most = q.Limit
	}
	sql, args := searchAllSQL, []any{q.IPAddress, persist.LowerASCII(q.Device), cmp.Or(q.Before, math.MaxInt64), most + 1}
	if q.User.ID != "" {
		sql, args = searchUserSQL, append(args, q.User.ID)
	}
	var key, last int64
	var size, total, examined int
	var matches bool
	rows, _ := d.reads.Query(ctx, d.sql(sql), args...)
	_, err = pgx.ForEachRow(rows, []any{&key, &size, &matches}, func() error {
		if next == 0 && (len(keys) == q.Limit || total >= persist.MaxPageBytes || examined == most) {
			next = last // there is at least one more row
		}
		if next != 0 {
			return nil
		}
		examined++
		last = key
		if matches {
			total += size
			keys = append(keys, key)
		}
		return nil
	})
	return keys, next, err
}

// exactCount is how many sessions are counted one by one.
const exactCount = 100_000

const countSQL = `SELECT count(*) FROM (SELECT FROM SCHEMA.session LIMIT $1) AS s`

const estimateSQL = `SELECT c.reltuples::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = $1 AND c.relname = 'session'`

// Count returns the number of stored sessions. It is exact up to 100,000. Beyond that it is the estimate of the last
// VACUUM or ANALYZE, and more than 100,000: PostgreSQL would have to look at every row.
func (d *DB) Count(ctx context.Context) (n int, err error) {
	err = d.query(ctx, func(ctx context.Context) error {
		if err := d.reads.QueryRow(ctx, d.sql(countSQL), exactCount+1).Scan(&n); err != nil || n <= exactCount {
			return err
		}
		var estimate int
		if err := d.reads.QueryRow(ctx, estimateSQL, d.cfg.Schema).Scan(&estimate); err != nil {
			return err
		}
		n = max(n, estimate)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
