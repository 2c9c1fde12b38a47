package sqlite

import (
	"cmp"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// create deletes the replaced session, inserts the new one, then evicts beyond the limit.
// This order keeps the new session out of the eviction.
func (t *transaction) create(op *persist.Op) (persist.Outcome, error) {
	r, l := op.Record, op.Limit
	if r == nil || r.Identity == nil || r.ID.IsZero() {
		return failed(errRecord), nil
	}
	if o, err := t.created(r); err != nil || o.Status != 0 {
		return o, err
	}
	if l.Max > 0 && l.Refuse {
		if full, err := t.full(r, op.Replaces, l.Max); err != nil || full {
			return persist.Outcome{Status: persist.StatusFull}, err
		}
	}
	replaced, err := t.replace(r.UserID, op.Replaces)
	if err != nil {
		return persist.Outcome{}, err
	}
	key, err := t.insert(r)
	if err != nil {
		return persist.Outcome{}, err
	}
	o := persist.Outcome{Status: persist.StatusApplied, Key: key, Removed: replaced}
	if r.UserID == "" {
		t.guests++
	}
	if l.Max > 0 {
		var evicted []persist.Removed
		evicted, err = t.evict(r, key, l.Max)
		o.Removed = append(o.Removed, evicted...)
	}
	if r.UserID == "" {
		t.db.idle.note(guest{r.LastActive, key}, t.guests)
	}
	return o, err
}

// replace deletes the session that the new one replaces, if it is the same user's.
func (t *transaction) replace(user string, id persist.ID) ([]persist.Removed, error) {
	if id.IsZero() || user == "" {
		return nil, nil
	}
	return t.remove(query(t.c, `DELETE FROM session WHERE id = ? AND user_id = ?
		RETURNING key, id, token_hash, user_id`).blob(id[:]).text(user))
}

// created looks for a row with the new session's ID or hash. StatusApplied means that an
// earlier attempt with an unknown outcome inserted this very session. StatusConflict means
// that another session has the ID or the hash. Status 0 means that both are free.
func (t *transaction) created(r *persist.Record) (o persist.Outcome, err error) {
	err = query(t.c, `SELECT key, token_hash FROM session WHERE id = ?`).blob(r.ID[:]).rows(func(s *sqlite.Stmt) error {
		var h persist.Hash
		s.ColumnBytes(1, h[:])
		o = persist.Outcome{Status: persist.StatusConflict}
		if h == r.Hash {
			o = persist.Outcome{Status: persist.StatusApplied, Key: s.ColumnInt64(0)}
		}
		return nil
	})
	if err != nil || o.Status != 0 {
		return o, err
	}
	if used, err := t.used(r.Hash); err != nil || used {
		return persist.Outcome{Status: persist.StatusConflict}, err
	}
	return o, nil
}

// insert adds a session with a plain INSERT, which never overwrites a row.
func (t *transaction) insert(r *persist.Record) (int64, error) {
	rot := cmp.Or(r.Rotation, &persist.Rotation{})
	var previous []byte
	if r.Rotation != nil {
		previous = rot.Previous[:]
	}
	_, err := query(t.c, `INSERT INTO session (id, token_hash, previous_hash, rotated_until, rotated_at, auth_at,
		user_id, ip_address, user_agent, device_name, device_type, fingerprint, created_at, ttl, version, data, defaults)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`).
		blob(r.ID[:]).blob(r.Hash[:]).hash(previous).int(rot.Until).int(rot.At).int(r.AuthAt).
		text(r.UserID).text(r.IPAddress).text(r.UserAgent).text(r.DeviceName).text(r.DeviceType).text(r.Fingerprint).
		int(r.CreatedAt).int(r.TTL).int(int64(r.Version)).blob(r.Data).int(int64(r.Flags)).change()
	if err != nil {
		return 0, err
	}
	key := t.c.LastInsertRowID()
	_, err = query(t.c, `INSERT INTO activity (key, last_active, expires_at, deadline) VALUES (?1, ?2, min(?3, ?4), ?4)`).
		int(key).int(r.LastActive).int(r.ExpiresAt).int(r.Deadline).change()
	return key, err
}

// few reports whether a user has no more than most sessions, of any kind, active or not. It reads
// only an index, and most logins need no more than that.
func (t *transaction) few(r *persist.Record, most int) (bool, error) {
	n := 0
	err := query(t.c, `SELECT count(*) FROM (SELECT 1 FROM session WHERE user_id = ? LIMIT ?)`).
		text(r.UserID).int(int64(most) + 1).rows(func(s *sqlite.Stmt) error { n = s.ColumnInt(0); return nil })
	return n <= most, err
}

// full reports whether the new session's user already has the maximum of active sessions. The
// session that is being replaced does not count.
func (t *transaction) full(r *persist.Record, replaced persist.ID, most int) (bool, error) {
	if r.UserID == "" {
		return t.guests >= most, nil
	}
	if few, err := t.few(r, most-1); err != nil || few {
		return false, err
	}
	n := 0
	err := query(t.c, `SELECT count(*) FROM session s
		WHERE s.user_id = ? AND s.id <> ? AND s.defaults & ? = ? AND (SELECT expires_at FROM activity a WHERE a.key = s.key) > ?`).
		text(r.UserID).blob(replaced[:]).int(int64(persist.APIToken)).int(int64(r.Flags & persist.APIToken)).int(t.b.Now).rows(
		func(s *sqlite.Stmt) error { n = s.ColumnInt(0); return nil })
	return n >= most, err
}

// evict deletes the least recently active active sessions of the new session's user beyond the
// limit, never the new one.
func (t *transaction) evict(r *persist.Record, newest int64, most int) ([]persist.Removed, error) {
	if r.UserID != "" {
		if few, err := t.few(r, most); err != nil || few {
			return nil, err
		}
		return t.remove(query(t.c, `DELETE FROM session WHERE key IN (
			SELECT s.key FROM session s CROSS JOIN activity a ON a.key = s.key
			WHERE s.user_id = ? AND s.key <> ? AND s.defaults & ? = ? AND a.expires_at > ?
			ORDER BY a.last_active DESC, s.id DESC LIMIT -1 OFFSET ?)
			RETURNING key, id, token_hash, user_id`).text(r.UserID).int(newest).
			int(int64(persist.APIToken)).int(int64(r.Flags & persist.APIToken)).int(t.b.Now).int(int64(most - 1)))
	}
	if t.guests <= most {
		return nil, nil
	}
	return t.evictGuests(newest, t.guests-most)
}
