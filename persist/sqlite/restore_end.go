package sqlite

import (
	"context"
	"errors"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// endRestored deletes sessions from the staged copy, before the copy replaces the old file.
func endRestored(ctx context.Context, r *persist.Restored, old, staged Config, o persist.RestoreOptions) (err error) {
	var keys []int64
	switch {
	case !o.EndRevived && o.EndSince == 0:
		return nil
	case !o.EndRevived:
	case r.Unread != nil || r.Kept == "":
		return errors.Join(errors.New("no old file says which sessions had ended since the backup"), r.Unread)
	default:
		if keys, err = revived(ctx, old, staged); err != nil {
			return err
		}
	}
	c, err := connect(staged, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetInterrupt(ctx.Done())
	for _, p := range []pragma{{"journal_mode", "MEMORY", "memory"}, {"synchronous", "FULL", "2"}, {"secure_delete", "ON", "1"}} {
		if err := p.set(c); err != nil {
			return err
		}
	}
	left := 0
	if err := deleteFrom(c, keys, o.EndSince); err != nil {
		return err
	}
	err = count(c, &left, `SELECT count(*) FROM activity WHERE expires_at > ?`, o.Now)
	r.Ended = r.Sessions - left
	return err
}

// revived returns the keys that sessions have in the staged copy, if their token there is not valid
// in the old file.
func revived(ctx context.Context, old, staged Config) (keys []int64, err error) {
	c, err := lookAtBoth(ctx, old, staged)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	err = query(c, `SELECT s.key FROM backup.session AS s WHERE NOT EXISTS (
			SELECT 1 FROM main.session AS o WHERE o.id = s.id AND o.token_hash = s.token_hash)`).
		rows(func(s *sqlite.Stmt) error { keys = append(keys, s.ColumnInt64(0)); return nil })
	return keys, err
}

// deleteFrom deletes sessions by their keys, and those that were accessed at since or later unless
// since is 0.
func deleteFrom(c *sqlite.Conn, keys []int64, since int64) (err error) {
	end, err := sqlitex.ImmediateTransaction(c)
	if err != nil {
		return err
	}
	defer end(&err)
	if since != 0 {
		if _, err := query(c, `DELETE FROM session WHERE key IN (SELECT key FROM activity WHERE last_active >= ?)`).int(since).change(); err != nil {
			return err
		}
		if _, err := query(c, `DELETE FROM activity WHERE last_active >= ?`).int(since).change(); err != nil {
			return err
		}
	}
	for _, key := range keys {
		if _, err := query(c, `DELETE FROM session WHERE key = ?`).int(key).change(); err != nil {
			return err
		}
		if _, err := query(c, `DELETE FROM activity WHERE key = ?`).int(key).change(); err != nil {
			return err
		}
	}
	return nil
}
