package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

var (
	errKind   = errors.New("unknown kind of operation")
	errRecord = errors.New("create: no record, or a record without an ID")
	errBounds = errors.New("negative Max or Through")
)

// op applies one security operation. It finds the session by ID. The key would be faster,
// but the fsync that follows takes far longer.
func (t *transaction) op(o *persist.Op) (persist.Outcome, error) {
	switch o.Kind {
	case persist.OpCreate:
		return t.create(o)
	case persist.OpRotate:
		return t.rotate(o)
	case persist.OpSeen:
		return t.seen(o)
	case persist.OpDestroy:
		return t.destroy(o.Ref.ID)
	case persist.OpDestroyUser:
		return t.destroyUser(o)
	case persist.OpExpire:
		return t.expire(o.Ref.ID)
	default:
		return failed(fmt.Errorf("%w: %d", errKind, o.Kind)), nil
	}
}

// destroy deletes a session, even one whose times are lost.
func (t *transaction) destroy(id persist.ID) (persist.Outcome, error) {
	gone, err := t.remove(query(t.c, `DELETE FROM session WHERE id = ? RETURNING key, id, token_hash, user_id`).blob(id[:]))
	if err != nil || len(gone) == 0 {
		return persist.Outcome{Status: persist.StatusGone}, err
	}
	return persist.Outcome{Status: persist.StatusApplied, Removed: gone}, nil
}

// destroyUser deletes the sessions of a user, or one piece of them. Guests belong to no user.
func (t *transaction) destroyUser(o *persist.Op) (persist.Outcome, error) {
	if o.Max < 0 || o.Through < 0 {
		return failed(errBounds), nil
	}
	through, limit := cmp.Or(o.Through, math.MaxInt64), int64(cmp.Or(o.Max, -1)) // in SQLite, LIMIT -1 is no limit
	gone, err := t.remove(query(t.c, `DELETE FROM session WHERE key IN (
		SELECT key FROM session WHERE user_id = ?1 AND user_id <> '' AND id <> ?2 AND key <= ?3 ORDER BY key DESC LIMIT ?4)
		RETURNING key, id, token_hash, user_id`).text(o.User.ID).blob(o.Except[:]).int(through).int(limit))
	out := persist.Outcome{Status: persist.StatusApplied, Removed: gone}
	if err != nil || o.Max == 0 || len(gone) < o.Max {
		return out, err
	}
	err = query(t.c, `SELECT key FROM session WHERE user_id = ?1 AND user_id <> '' AND id <> ?2 AND key <= ?3 ORDER BY key DESC LIMIT 1`).
		text(o.User.ID).blob(o.Except[:]).int(through).rows(func(s *sqlite.Stmt) error {
		out.Through = s.ColumnInt64(0)
		return nil
	})
	return out, err
}

// remove runs a DELETE that returns key, id, token_hash and user_id, and deletes the narrow
// rows of the same keys.
func (t *transaction) remove(q bound) ([]persist.Removed, error) {
	var gone []persist.Removed
	var keys []int64
	err := q.rows(func(s *sqlite.Stmt) error {
		x := persist.Removed{UserID: s.ColumnText(3)}
		s.ColumnBytes(1, x.ID[:])
		s.ColumnBytes(2, x.Hash[:])
		gone, keys = append(gone, x), append(keys, s.ColumnInt64(0))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		if _, err := query(t.c, `DELETE FROM activity WHERE key = ?`).int(key).change(); err != nil {
			return nil, err
		}
		if gone[i].UserID == "" {
			t.guests--
		}
	}
	return gone, nil
}

// expire deletes a session if it has ended according to the database.
func (t *transaction) expire(id persist.ID) (persist.Outcome, error) {
	o := persist.Outcome{Status: persist.StatusGone}
	err := query(t.c, `SELECT (SELECT expires_at FROM activity a WHERE a.key = s.key) FROM session s WHERE s.id = ?`).
		blob(id[:]).rows(func(s *sqlite.Stmt) error {
		if s.ColumnIsNull(0) {
			return fmt.Errorf("%w: its times are missing", persist.ErrCorrupt)
		}
		o.Status = persist.StatusConflict
		if s.ColumnInt64(0) <= t.b.Now {
			o.Status = persist.StatusApplied
		}
		return nil
	})
	if err != nil || o.Status != persist.StatusApplied {
		return o, err
	}
	return t.destroy(id)
}

// rotate gives a session a new token hash. It refuses a hash that any session has, or had
// before its last rotation.
func (t *transaction) rotate(o *persist.Op) (persist.Outcome, error) {
	out := persist.Outcome{Status: persist.StatusGone}
	current := o.From
	if o.Lost != (persist.Hash{}) {
		current = o.Lost
	}
	err := query(t.c, `SELECT token_hash, previous_hash, rotated_until FROM session WHERE id = ?`).
		blob(o.Ref.ID[:]).rows(func(s *sqlite.Stmt) error {
		var h, previous persist.Hash
		s.ColumnBytes(0, h[:])
		s.ColumnBytes(1, previous[:])
		switch {
		case h == o.To:
			out.Status = persist.StatusApplied // done by an attempt with an unknown outcome
		case h == current && (current == o.From || previous == o.From && s.ColumnInt64(2) == persist.Unseen):
			out.Status = 0
		default:
			out.Status = persist.StatusConflict
		}
		return nil
	})
	if err != nil || out.Status != 0 {
		return out, err
	}
	if used, err := t.used(o.To); err != nil || used {
		return persist.Outcome{Status: persist.StatusConflict}, err
	}
	n, err := query(t.c, `UPDATE session SET token_hash = ?1, previous_hash = ?2, rotated_until = ?3, rotated_at = ?4,
		auth_at = iif(?5 = 0, auth_at, ?5) WHERE id = ?6 AND token_hash = ?7`).
		blob(o.To[:]).blob(o.From[:]).int(o.Until).int(t.b.Now).int(o.AuthAt).blob(o.Ref.ID[:]).blob(current[:]).change()
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: the rotation changed %d rows, not 1", persist.ErrCorrupt, n)
	}
	return persist.Outcome{Status: persist.StatusApplied}, err
}

// used reports whether a hash is a session's current or previous one.
func (t *transaction) used(h persist.Hash) (used bool, err error) {
	for _, q := range []string{
		`SELECT 1 FROM session WHERE token_hash = ?`,
		`SELECT 1 FROM session WHERE previous_hash = ?`,
	} {
		err := query(t.c, q).blob(h[:]).rows(func(*sqlite.Stmt) error { used = true; return nil })
		if err != nil || used {
			return used, err
		}
	}
	return false, nil
}

// seen lowers the end of the previous token's grace.
func (t *transaction) seen(o *persist.Op) (persist.Outcome, error) {
	n, err := query(t.c, `UPDATE session SET rotated_until = iif(token_hash = ?, min(rotated_until, ?), rotated_until) WHERE id = ?`).
		blob(o.To[:]).int(o.Until).blob(o.Ref.ID[:]).change()
	if err != nil || n == 0 {
		return persist.Outcome{Status: persist.StatusGone}, err
	}
	return persist.Outcome{Status: persist.StatusApplied}, nil
}
