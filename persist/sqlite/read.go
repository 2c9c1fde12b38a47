package sqlite

import (
	"context"

	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// columns of a record, in the order that scan expects.
const columns = `s.key, s.id, s.token_hash, s.previous_hash, s.rotated_until, s.rotated_at, s.auth_at,
	s.user_id, s.ip_address, s.user_agent, s.device_name, s.device_type, s.fingerprint,
	s.created_at, s.deadline, s.ttl, s.version, s.data, a.last_active, a.expires_at
	FROM session s LEFT JOIN activity a ON a.key = s.key`

// ByHash finds a session by its token's hash, or by its previous token's.
func (d *DB) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	rec, err := d.one(ctx, `SELECT `+columns+` WHERE s.token_hash = ?`, k.Hash[:])
	if err == persist.ErrNotFound {
		return d.one(ctx, `SELECT `+columns+` WHERE s.previous_hash = ? AND s.previous_hash IS NOT NULL`, k.Hash[:])
	}
	return rec, err
}

// ByID finds a session by id.
func (d *DB) ByID(ctx context.Context, id persist.ID) (persist.Record, error) {
	return d.one(ctx, `SELECT `+columns+` WHERE s.id = ?`, id[:])
}

func (d *DB) one(ctx context.Context, q string, arg []byte) (r persist.Record, err error) {
	err = d.readers.with(ctx, func(c *sqlite.Conn) error {
		st, err := c.Prepare(q)
		if err != nil {
			return err
		}
		st.BindBytes(1, arg)
		found, err := st.Step()
		switch {
		case err != nil:
		case !found:
			err = persist.ErrNotFound
		default:
			r, err = scan(st)
		}
		return firstError(err, st.Reset())
	})
	return r, err
}

// ByUser returns a user's sessions. A row that cannot be read is left out and counted.
func (d *DB) ByUser(ctx context.Context, u persist.UserKey) (l persist.Listing, err error) {
	err = d.readers.with(ctx, func(c *sqlite.Conn) error {
		st, err := c.Prepare(`SELECT ` + columns + ` WHERE s.user_id = ? AND s.user_id <> ''`)
		if err != nil {
			return err
		}
		st.BindText(1, u.ID)
		for {
			more, err := st.Step()
			if err != nil || !more {
				return firstError(err, st.Reset())
			}
			r, err := scan(st)
			if err != nil {
				l.Unreadable++
				continue
			}
			l.Records = append(l.Records, r)
		}
	})
	return l, err
}

// scan reads a record from a row, and trusts none of it.
func scan(s *sqlite.Stmt) (persist.Record, error) {
	const (
		key = iota
		id
		hash
		previous
		until
		rotatedAt
		authAt
		user
		ip
		agent
		deviceName
		deviceType
		fingerprint
		created
		deadline
		ttl
		version
		data
		lastActive
		expires
	)
	if s.ColumnLen(id) != 16 || s.ColumnLen(hash) != 32 || s.ColumnType(lastActive) != sqlite.TypeInteger {
		return persist.Record{}, fmt.Errorf("%w: row %d", persist.ErrCorrupt, s.ColumnInt64(key))
	}
	r := persist.Record{
		Identity: &persist.Identity{
			Key: s.ColumnInt64(key), UserID: s.ColumnText(user), IPAddress: s.ColumnText(ip), UserAgent: s.ColumnText(agent),
			DeviceName: s.ColumnText(deviceName), DeviceType: s.ColumnText(deviceType), Fingerprint: s.ColumnText(fingerprint),
			CreatedAt: s.ColumnInt64(created), Deadline: s.ColumnInt64(deadline), TTL: s.ColumnInt64(ttl),
		},
		Version: persist.Version(s.ColumnInt64(version)), Data: blob(s, data),
		LastActive: s.ColumnInt64(lastActive), ExpiresAt: s.ColumnInt64(expires),
	}
	s.ColumnBytes(id, r.ID[:])
	s.ColumnBytes(hash, r.Hash[:])
	if s.ColumnLen(previous) == 32 {
		r.Rotation = &persist.Rotation{
			Until: s.ColumnInt64(until), At: s.ColumnInt64(rotatedAt), AuthAt: s.ColumnInt64(authAt),
		}
		s.ColumnBytes(previous, r.Previous[:])
	}
	return r, nil
}

// scanFactor bounds how many rows Expired looks at for each that it may return.
const scanFactor = 16

// Expired finds sessions whose end has come, in key order.
func (d *DB) Expired(ctx context.Context, now, after int64, limit int) (refs []persist.Ref, next int64, err error) {
	err = d.readers.with(ctx, func(c *sqlite.Conn) error {
		refs, next, err = expired(c, now, after, limit)
		return err
	})
	return refs, next, err
}

func expired(c *sqlite.Conn, now, after int64, limit int) (refs []persist.Ref, next int64, err error) {
	st, err := c.Prepare(`SELECT a.key, iif(a.expires_at <= ?1, (SELECT id FROM session s WHERE s.key = a.key), NULL)
		FROM activity a WHERE a.key > ?2 ORDER BY a.key LIMIT ?3`)
	if err != nil {
		return nil, 0, err
	}
	st.BindInt64(1, now)
	st.BindInt64(2, after)
	st.BindInt64(3, int64(limit)*scanFactor)
	seen := 0
	for {
		more, err := st.Step()
		if err != nil || !more {
			if seen < limit*scanFactor {
				next = 0
			}
			return refs, next, firstError(err, st.Reset())
		}
		seen++
		next = st.ColumnInt64(0)
		if st.ColumnLen(1) != 16 {
			continue
		}
		ref := persist.Ref{Key: next}
		st.ColumnBytes(1, ref.ID[:])
		if refs = append(refs, ref); len(refs) == limit {
			return refs, next, st.Reset()
		}
	}
}

// firstError is the error of a step, or else of its reset, which repeats it.
func firstError(step, reset error) error {
	if step != nil {
		return step
	}
	return reset
}
