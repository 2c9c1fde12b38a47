package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sessile/sessile/persist"
)

// If a node vanishes, its transaction keeps its locks no longer than the node would have waited for an answer. COMMIT waits for the
// disk even if the role's default is not to.
const limitsSQL = `SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $1, true),
	set_config('idle_in_transaction_session_timeout', $1, true), set_config('enable_seqscan', 'off', true),
	set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)`

// Every statement must see everything that was committed before it got its locks, even if the role has another default.
const beginSQL = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`

const (
	nowSQL        = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`
	shareStoreSQL = `SELECT pg_advisory_xact_lock_shared($1)`
	lockSQL       = `SELECT pg_advisory_xact_lock(k) FROM unnest($1::bigint[]) AS k`
	newKeysSQL    = `SELECT nextval('SCHEMA.session_key') FROM generate_series(1, $1::int)`
)

// All sessions are locked first, then all rows of activity, both in the order of their keys.
const loadSQL = `WITH s AS MATERIALIZED (
	SELECT key, id, token_hash, previous_hash, rotated_until, rotated_at, auth_at, defaults, user_id, created_at, version
	FROM SCHEMA.session WHERE WANTED ORDER BY key FOR UPDATE
), a AS MATERIALIZED (
	SELECT key, last_active, expires_at, deadline FROM SCHEMA.activity
	WHERE key = ANY (ARRAY (SELECT key FROM s)) ORDER BY key FOR UPDATE
)
SELECT s.key, s.id, s.token_hash, s.previous_hash, s.rotated_until, s.rotated_at, s.auth_at, s.defaults, s.user_id, s.created_at, s.version,
	a.last_active, a.expires_at, a.deadline
FROM s LEFT JOIN a USING (key) ORDER BY s.key`

// The sessions that loadSQL wants. A condition that is not needed costs time all the same.
const (
	wantedIDs    = `id = ANY ($1)`
	wantedHashes = ` OR token_hash = ANY ($2) OR previous_hash = ANY ($2)`
	wantedUsers  = ` OR user_id = ANY ($3)`
	wantedPieces = ` OR key = ANY (ARRAY (
		SELECT piece.key FROM unnest($4::text[], $5::bigint[], $6::bigint[]) AS p (user_id, through, most), LATERAL (
			SELECT key FROM SCHEMA.session s WHERE s.user_id = p.user_id AND s.key <= p.through ORDER BY key DESC LIMIT p.most
		) AS piece
	))`
)

// loadSQL is the statement that reads what is needed, with its arguments. It is empty if nothing is.
func (n *needs) loadSQL() (text string, args []any) {
	users, p := n.named(), n.piece()
	args = []any{n.ids, n.hashes, users, p.users, p.through, p.most}
	switch {
	case len(p.users) > 0:
		text = wantedIDs + wantedHashes + wantedUsers + wantedPieces
	case len(users) > 0:
		text, args = wantedIDs+wantedHashes+wantedUsers, args[:3]
	case len(n.hashes) > 0:
		text, args = wantedIDs+wantedHashes, args[:2]
	case len(n.ids) > 0:
		text, args = wantedIDs, args[:1]
	default:
		return "", nil
	}
	return strings.Replace(loadSQL, "WANTED", text, 1), args
}

// load begins the transaction, locks and reads, in one round trip.
func (t *transaction) load(ctx context.Context, c *pgx.Conn) error {
	var q pgx.Batch
	t.queueLoad(&q)
	return c.SendBatch(ctx, &q).Close()
}

func (t *transaction) queueLoad(q *pgx.Batch) {
	q.Queue(beginSQL)
	// A little less than the node waits, so that it gets an answer.
	limit := t.db.cfg.ApplyTimeout.Milliseconds() * 3 / 4
	q.Queue(limitsSQL, fmt.Sprintf("%dms", max(limit, 1)))
	if locks, ofUsers := t.need.locks(t.db.cfg.Schema); len(locks) > 0 {
		if ofUsers {
			q.Queue(shareStoreSQL, lockKey(t.db.cfg.Schema, "store"))
		}
		q.Queue(lockSQL, locks)
	}
	if t.b.Now == 0 {
		q.Queue(nowSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&t.now) })
	}
	if t.need.creates > 0 {
		q.Queue(t.db.sql(newKeysSQL), t.need.creates).Query(func(rows pgx.Rows) (err error) {
			t.keys, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
	}
	if text, args := t.need.loadSQL(); text != "" {
		q.Queue(t.db.sql(text), args...).Query(func(rows pgx.Rows) error { return eachSession(rows, t.add) })
	}
}

// eachSession reads the rows of loadSQL.
func eachSession(rows pgx.Rows, each func(*session)) error {
	defer rows.Close()
	for rows.Next() {
		s, err := scanSession(rows)
		if err != nil {
			return err
		}
		each(s)
	}
	return rows.Err()
}

// scanSession reads a row of loadSQL.
func scanSession(rows pgx.Rows) (*session, error) {
	s := &session{stored: true}
	s.Identity = &persist.Identity{}
	var rot persist.Rotation
	var id, hash, previous []byte
	var version int64
	var flags int16
	var lastActive, expiresAt, deadline pgtype.Int8
	err := rows.Scan(&s.Key, &id, &hash, &previous, &rot.Until, &rot.At, &s.AuthAt, &flags, &s.UserID, &s.CreatedAt, &version,
		&lastActive, &expiresAt, &deadline)
	if err != nil {
		return nil, err
	}
	copy(s.ID[:], id)
	copy(s.Hash[:], hash)
	if previous != nil {
		copy(rot.Previous[:], previous)
		s.Rotation = &rot
	}
	s.Version, s.Flags, s.timesLost = persist.Version(version), persist.Flags(flags), !deadline.Valid
	s.LastActive, s.ExpiresAt, s.Deadline = lastActive.Int64, expiresAt.Int64, deadline.Int64
	return s, nil
}

// add takes a session into the working set.
func (t *transaction) add(s *session) {
	t.byID[s.ID], t.byHash[s.Hash] = s, s
	if s.Rotation != nil {
		t.byHash[s.Previous] = s
	}
	t.byUser[s.UserID] = append(t.byUser[s.UserID], s)
	t.all = append(t.all, s)
}

// find returns the session that ref names, nil if there is none. A key that is not the session's own names nothing.
func (t *transaction) find(ref persist.Ref) *session {
	s := t.byID[ref.ID]
	if s == nil || ref.Key != 0 && ref.Key != s.Key {
		return nil
	}
	return s
}

// remove ends sessions and tells which they were.
func (t *transaction) remove(l ...*session) []persist.Removed {
	var gone []persist.Removed
	for _, s := range l {
		s.ended = true
		if s.UserID == "" && t.guests != nil {
			t.guests.count--
		}
		delete(t.byID, s.ID)
		t.forgetHash(s, s.Hash)
		if s.Rotation != nil {
			t.forgetHash(s, s.Previous)
		}
		gone = append(gone, persist.Removed{ID: s.ID, Hash: s.Hash, UserID: s.UserID})
	}
	return gone
}

func (t *transaction) forgetHash(s *session, h persist.Hash) {
	if t.byHash[h] == s {
		delete(t.byHash, h)
	}
}

// ofUser returns the user's sessions that have not ended.
func (t *transaction) ofUser(user string) []*session {
	live := t.byUser[user][:0]
	for _, s := range t.byUser[user] {
		if !s.ended {
			live = append(live, s)
		}
	}
	t.byUser[user] = live
	return live
}
