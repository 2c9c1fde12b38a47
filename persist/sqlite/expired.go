package sqlite

import (
	"context"
	"errors"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// lookFactor bounds how many rows Expired looks at per session that it may return.
const lookFactor = 10

// Expired returns sessions that have ended by now, and sessions whose last activity lies in
// the future. It scans the narrow table in key order, and reads the wide table only for the
// sessions that it returns.
func (d *DB) Expired(ctx context.Context, now, after int64, limit int) ([]persist.Ref, int64, error) {
	if limit <= 0 {
		return nil, 0, nil
	}
	var refs []persist.Ref
	var next int64
	err := d.read(ctx, func(c *sqlite.Conn) (err error) {
		refs, next, err = expired(c, now, after, limit)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return refs, next, nil
}

func expired(c *sqlite.Conn, now, after int64, limit int) (refs []persist.Ref, next int64, err error) {
	looked := 0
	last := func() bool { return len(refs) == limit || looked == limit*lookFactor }
	q := query(c, `SELECT key, expires_at, last_active FROM activity WHERE key > ? ORDER BY key LIMIT ?`).
		int(after).int(int64(limit)*lookFactor + 1)
	err = q.rows(func(s *sqlite.Stmt) error {
		if last() { // there is at least one more row
			next = after
			return errEnough
		}
		looked++
		after = s.ColumnInt64(0)
		if s.ColumnInt64(1) > now && s.ColumnInt64(2) <= now {
			return nil
		}
		return query(c, `SELECT id FROM session WHERE key = ?`).int(after).rows(func(s *sqlite.Stmt) error {
			ref := persist.Ref{Key: after}
			s.ColumnBytes(0, ref.ID[:])
			refs = append(refs, ref)
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return refs, next, err
}
