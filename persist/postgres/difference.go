package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
)

const (
	deleteSQL = `WITH gone AS (DELETE FROM SCHEMA.session WHERE key = ANY ($1)) DELETE FROM SCHEMA.activity WHERE key = ANY ($1)`

	dataSQL = `UPDATE SCHEMA.session s SET version = u.version, data = u.data
	FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS u (key, version, data) WHERE s.key = u.key`

	timesSQL = `UPDATE SCHEMA.activity a SET last_active = u.last_active, expires_at = u.expires_at, deadline = u.deadline
	FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (key, last_active, expires_at, deadline) WHERE a.key = u.key`

	tokenSQL = `UPDATE SCHEMA.session s SET token_hash = u.token_hash, previous_hash = u.previous_hash,
	rotated_until = u.rotated_until, rotated_at = u.rotated_at, auth_at = u.auth_at, created_at = u.created_at
	FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
		AS u (key, token_hash, previous_hash, rotated_until, rotated_at, auth_at, created_at) WHERE s.key = u.key`

	insertSQL = `INSERT INTO SCHEMA.session (key, id, token_hash, previous_hash, rotated_until, rotated_at, auth_at, created_at,
	version, data, defaults, user_id, ip_address, user_agent, device_name, device_type, fingerprint, ttl)
	SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
		$9::bigint[], $10::bytea[], $11::smallint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::bigint[])`

	insertTimesSQL = `INSERT INTO SCHEMA.activity (key, last_active, expires_at, deadline)
	SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])`
)

// queueDifferences adds the statements that make the database agree with the working set. Rows that go are first: their hashes
// and ids are free for those that come.
func (t *transaction) queueDifferences(q *pgx.Batch) {
	var gone, fresh, data, times, token []*session
	for _, s := range t.all {
		switch {
		case s.ended && s.stored:
			gone = append(gone, s)
		case s.ended:
		case !s.stored:
			fresh = append(fresh, s)
		default:
			data = appendIf(data, s, s.newData)
			times = appendIf(times, s, s.newTimes)
			token = appendIf(token, s, s.newToken)
		}
	}
	queue := func(l []*session, text string, columns ...any) {
		if len(l) > 0 {
			q.Queue(t.db.sql(text), columns...)
		}
	}
	queue(gone, deleteSQL, column(gone, key))
	queue(data, dataSQL, column(data, key), column(data, version), column(data, bytesOf))
	queue(times, timesSQL, column(times, key), column(times, lastActive), column(times, expiresAt), column(times, deadline))
	queue(token, tokenSQL, tokenColumns(token)...)
	queue(fresh, insertSQL, insertColumns(fresh)...)
	queue(fresh, insertTimesSQL, column(fresh, key), column(fresh, lastActive), column(fresh, expiresAt), column(fresh, deadline))
}

func appendIf(l []*session, s *session, changed bool) []*session {
	if !changed {
		return l
	}
	return append(l, s)
}

// column is one column of many sessions.
func column[T any](l []*session, of func(*session) T) []T {
	c := make([]T, len(l))
	for i, s := range l {
		c[i] = of(s)
	}
	return c
}

func key(s *session) int64        { return s.Key }
func version(s *session) int64    { return int64(s.Version) }
func lastActive(s *session) int64 { return s.LastActive }
func expiresAt(s *session) int64  { return s.ExpiresAt }
func deadline(s *session) int64   { return s.Deadline }
func authAt(s *session) int64     { return s.AuthAt }
func createdAt(s *session) int64  { return s.CreatedAt }
func hash(s *session) []byte      { return s.Hash[:] }

// bytesOf is the data of a session, never NULL.
func bytesOf(s *session) []byte { return notNull(s.Data) }

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// rotation is what s remembers of its last rotation, zero if there was none.
func (s *session) rotation() persist.Rotation {
	if s.Rotation == nil {
		return persist.Rotation{}
	}
	return *s.Rotation
}

// previous is the previous hash, NULL if there is none.
func previous(s *session) []byte {
	if s.Rotation == nil {
		return nil
	}
	return s.Previous[:]
}

func tokenColumns(l []*session) []any {
	return []any{
		column(l, key), column(l, hash), column(l, previous),
		column(l, func(s *session) int64 { return s.rotation().Until }), column(l, func(s *session) int64 { return s.rotation().At }),
		column(l, authAt), column(l, createdAt),
	}
}

func insertColumns(l []*session) []any {
	c := tokenColumns(l)
	c = append([]any{c[0], column(l, func(s *session) []byte { return s.ID[:] })}, c[1:]...)
	return append(c, column(l, version), column(l, bytesOf),
		column(l, func(s *session) int16 { return int16(s.Flags) }),
		column(l, func(s *session) string { return s.UserID }), column(l, func(s *session) string { return s.IPAddress }),
		column(l, func(s *session) string { return s.UserAgent }), column(l, func(s *session) string { return s.DeviceName }),
		column(l, func(s *session) string { return s.DeviceType }), column(l, func(s *session) string { return s.Fingerprint }),
		column(l, func(s *session) int64 { return s.TTL }))
}
