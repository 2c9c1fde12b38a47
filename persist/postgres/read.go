package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sessile/sessile/persist"
)

// columns are those of a whole record. A session whose row in activity is missing comes with NULL times.
const columns = `SELECT s.key, s.id, s.token_hash, s.previous_hash, s.rotated_until, s.rotated_at, s.auth_at, s.defaults, s.user_id,
	s.ip_address, s.user_agent, s.device_name, s.device_type, s.fingerprint, s.created_at, s.ttl, s.version, s.data,
	a.last_active, a.expires_at, a.deadline
	FROM SCHEMA.session s LEFT JOIN SCHEMA.activity a USING (key) `

// ByHash finds a session by its token's hash or by its previous token's. Concurrent calls share a query.
func (d *DB) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	return d.ask(ctx, &question{hash: k.Hash})
}

// ByID finds a session by its id. Concurrent calls share a query.
func (d *DB) ByID(ctx context.Context, id persist.ID) (persist.Record, error) {
	return d.ask(ctx, &question{byID: true, id: id})
}

const byUserSQL = columns + `WHERE s.user_id = $1`

// ByUser lists the user's sessions. Guests are nobody's.
func (d *DB) ByUser(ctx context.Context, u persist.UserKey) (persist.Listing, error) {
	var l persist.Listing
	if err := ctx.Err(); err != nil || u.ID == "" || !storable(u.ID) {
		return l, err
	}
	err := d.query(ctx, func(ctx context.Context) error {
		l = persist.Listing{}
		rows, _ := d.reads.Query(ctx, d.sql(byUserSQL), u.ID)
		return eachRecord(rows, func(r persist.Record, err error) {
			if err != nil {
				l.Unreadable++
				return
			}
			l.Records = append(l.Records, r)
		})
	})
	if err != nil {
		return persist.Listing{}, err
	}
	return l, nil
}

// query runs a read within ReadTimeout, and says in the words of the contract why it fails. A read that met a broken
// connection is run again on a new one.
func (d *DB) query(ctx context.Context, run func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, d.cfg.ReadTimeout)
	defer cancel()
	err := run(within)
	if suspicious(err) && ctx.Err() == nil {
		d.reads.Reset()
		if within.Err() == nil {
			err = run(within)
		}
	}
	return readError(ctx, err)
}

// eachRecord reads rows with the columns of a record. One that cannot be read comes as persist.ErrCorrupt, with what
// was read of its hashes and its id.
func eachRecord(rows pgx.Rows, each func(persist.Record, error)) error {
	defer rows.Close()
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil && !errors.Is(err, persist.ErrCorrupt) {
			return err
		}
		each(r, err)
	}
	return rows.Err()
}

func scanRecord(row pgx.Row) (persist.Record, error) {
	i := &persist.Identity{}
	r := persist.Record{Identity: i}
	var rot persist.Rotation
	var id, hash, previous []byte
	var version int64
	var flags int16
	var lastActive, expiresAt, deadline pgtype.Int8
	err := row.Scan(&i.Key, &id, &hash, &previous, &rot.Until, &rot.At, &r.AuthAt, &flags, &i.UserID, &i.IPAddress, &i.UserAgent,
		&i.DeviceName, &i.DeviceType, &i.Fingerprint, &i.CreatedAt, &i.TTL, &version, &r.Data, &lastActive, &expiresAt, &deadline)
	if err != nil {
		return r, err
	}
	copy(i.ID[:], id)
	copy(r.Hash[:], hash)
	if previous != nil {
		copy(rot.Previous[:], previous)
		r.Rotation = &rot
	}
	r.Version, i.Flags = persist.Version(version), persist.Flags(flags)
	r.LastActive, r.ExpiresAt, i.Deadline = lastActive.Int64, expiresAt.Int64, deadline.Int64
	switch {
	case len(id) != len(i.ID) || len(hash) != len(r.Hash) || previous != nil && len(previous) != len(rot.Previous):
		return r, fmt.Errorf("%w: an id or a hash has the wrong length", persist.ErrCorrupt)
	case !deadline.Valid:
		return r, errTimes
	}
	return r, nil
}
