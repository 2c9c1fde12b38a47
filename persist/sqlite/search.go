package sqlite

import (
	"cmp"
	"context"
	"errors"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// Search returns a page of the stored sessions. It scans the wide table in key order, or the
// index of users, and compares the filters in SQL. A call takes a read connection for about
// 10 ms at most, and holds up no commit.
//
// If a damaged page ends that scan, it finds the keys in the narrow table, and reads each
// session on its own. Then only the damaged sessions are missing.
func (d *DB) Search(ctx context.Context, q persist.Query) (p persist.Page, err error) {
	if err := q.Check(); err != nil || !q.Storable() {
		return p, firstOf(ctx.Err(), err)
	}
	err = d.read(ctx, func(c *sqlite.Conn) (err error) {
		p, err = search(c, &q, false)
		if ownFault(err) {
			p, err = search(c, &q, true)
		}
		return err
	})
	if err != nil {
		return persist.Page{}, err
	}
	return p, nil
}

// search makes a page out of the rows that candidates returns.
func search(c *sqlite.Conn, q *persist.Query, damaged bool) (p persist.Page, err error) {
	examined, size, last := 0, 0, int64(0)
	err = candidates(c, q, damaged).rows(func(s *sqlite.Stmt) error {
		if len(p.Records) == q.Limit || size >= persist.MaxPageBytes || examined == persist.MaxExamined {
			p.Next = last // there is at least one more row
			return errEnough
		}
		examined++
		last = s.ColumnInt64(0)
		if !s.ColumnBool(1) {
			return nil
		}
		r, err := one(query(c, selectRecord+` WHERE s.key = ?`).int(last))
		switch {
		case ownFault(err), errors.Is(err, persist.ErrNotFound): // not found in one snapshot: a table refers to a missing row
			p.Unreadable++
		case err != nil:
			return err
		case !damaged || q.Match(r.Identity):
			size += len(r.Data)
			p.Records = append(p.Records, r)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return p, err
}

const (
	// matches compares the filters on columns of the wide table.
	matches = `(?1 = '' OR ip_address = ?1) AND (?2 = '' OR instr(lower(user_agent), ?2) > 0 OR instr(lower(device_name), ?2) > 0)`

	searchAll    = `SELECT key, ` + matches + ` FROM session WHERE key < ?3 ORDER BY key DESC LIMIT ?4`
	searchUser   = `SELECT key, ` + matches + ` FROM session WHERE key < ?3 AND user_id = ?5 ORDER BY key DESC LIMIT ?4`
	searchNarrow = `SELECT key, true FROM activity WHERE key < ? ORDER BY key DESC LIMIT ?`
)

// candidates returns keys in descending order, each with whether its session matches q. If the
// wide table is damaged, whoever reads the session finds out.
func candidates(c *sqlite.Conn, q *persist.Query, damaged bool) bound {
	before, most := cmp.Or(q.Before, math.MaxInt64), int64(persist.MaxExamined+1)
	if damaged {
		return query(c, searchNarrow).int(before).int(most)
	}
	sql := searchAll
	if q.User.ID != "" {
		sql = searchUser
	}
	b := query(c, sql).text(q.IPAddress).text(persist.LowerASCII(q.Device)).int(before).int(most)
	if q.User.ID != "" {
		b = b.text(q.User.ID)
	}
	return b
}

// Count returns the exact number of stored sessions. It scans the narrow table, which takes
// about 10 ms for a million sessions, and holds up no commit.
func (d *DB) Count(ctx context.Context) (n int, err error) {
	err = d.read(ctx, func(c *sqlite.Conn) error {
		return query(c, `SELECT count(*) FROM activity`).rows(func(s *sqlite.Stmt) error {
			n = s.ColumnInt(0)
			return nil
		})
	})
	return n, err
}
