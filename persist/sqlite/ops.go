package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// op applies one security operation.
func (t *transaction) op(o *persist.Op) (persist.Outcome, error) {
	switch o.Kind {
	case persist.Create:
		return t.create(o.Record, o.Limit)
	case persist.Rotate:
		return t.rotate(o)
	case persist.Seen:
		return t.seen(o)
	case persist.Destroy:
		return t.destroy(o.Ref.ID)
	case persist.DestroyUser:
		return t.destroyUser(o.User.ID, o.Except)
	case persist.Expire:
		return t.expire(o.Ref.ID)
	default:
		return persist.Outcome{Status: persist.Failed, Err: fmt.Errorf("unknown operation %d", o.Kind)}, nil
	}
}

// create inserts a session and evicts others beyond the limit, in this order so
// that the new one is never among them.
func (t *transaction) create(r *persist.Record, l persist.Limit) (persist.Outcome, error) {
	if done, err := t.created(r); err != nil || done.Status != 0 {
		return done, err
	}
	if l.Max > 0 && l.Refuse {
		if full, err := t.full(r.UserID, l.Max); err != nil || full {
			return persist.Outcome{Status: persist.Full}, err
		}
	}
	key, err := t.insert(r)
	if err != nil {
		return persist.Outcome{}, err
	}
	out := persist.Outcome{Status: persist.Applied, Key: key}
	if r.UserID == "" {
		t.guests++
	}
	if l.Max > 0 {
		out.Removed, err = t.evict(r.UserID, key, l.Max)
	}
	return out, err
}

// created tells what is there under a new session's id or hash: itself, from an
// attempt whose outcome was unknown, or another (S23, A30). Nothing is status 0.
func (t *transaction) created(r *persist.Record) (o persist.Outcome, err error) {
	err = t.rows(`SELECT key, id, token_hash FROM session WHERE id = ?1 OR token_hash = ?2`,
		func(s *sqlite.Stmt) { s.BindBytes(1, r.ID[:]); s.BindBytes(2, r.Hash[:]) },
		func(s *sqlite.Stmt) {
			if o.Status == 0 && persist.ID(blob(s, 1)) == r.ID && persist.Hash(blob(s, 2)) == r.Hash {
				o = persist.Outcome{Status: persist.Applied, Key: s.ColumnInt64(0)}
				return
			}
			o = persist.Outcome{Status: persist.Conflict}
		})
	return o, err
}

func (t *transaction) insert(r *persist.Record) (int64, error) {
	_, err := t.change(`INSERT INTO session (id, token_hash, user_id, ip_address, user_agent, device_name, device_type,
		fingerprint, created_at, deadline, ttl, version, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`,
		func(s *sqlite.Stmt) {
			s.BindBytes(1, r.ID[:])
			s.BindBytes(2, r.Hash[:])
			s.BindText(3, r.UserID)
			s.BindText(4, r.IPAddress)
			s.BindText(5, r.UserAgent)
			s.BindText(6, r.DeviceName)
			s.BindText(7, r.DeviceType)
			s.BindText(8, r.Fingerprint)
			s.BindInt64(9, r.CreatedAt)
			s.BindInt64(10, r.Deadline)
			s.BindInt64(11, r.TTL)
			s.BindInt64(12, int64(r.Version))
			s.BindBytes(13, r.Data)
		})
	if err != nil {
		return 0, err
	}
	key := t.c.LastInsertRowID()
	_, err = t.change(`INSERT INTO activity (key, last_active, expires_at) VALUES (?1, ?2, ?3)`,
		func(s *sqlite.Stmt) {
			s.BindInt64(1, key)
			s.BindInt64(2, r.LastActive)
			s.BindInt64(3, min(r.ExpiresAt, r.Deadline))
		})
	return key, err
}

// full reports whether a user has as many active sessions as allowed.
func (t *transaction) full(user string, most int) (bool, error) {
	if user == "" {
		return t.guests >= most, nil
	}
	n := int64(0)
	err := t.rows(`SELECT count(*) FROM session s JOIN activity a ON a.key = s.key
		WHERE s.user_id = ?1 AND s.user_id <> '' AND a.expires_at > ?2 AND s.deadline > ?2`,
		func(s *sqlite.Stmt) { s.BindText(1, user); s.BindInt64(2, t.b.Now) },
		func(s *sqlite.Stmt) { n = s.ColumnInt64(0) })
	return n >= int64(most), err
}

// evict ends the least recently active active sessions of a user beyond the
// limit, but not the new one. Of guests the oldest go.
func (t *transaction) evict(user string, newest int64, most int) ([]persist.Removed, error) {
	var keys []int64
	collect := func(s *sqlite.Stmt) { keys = append(keys, s.ColumnInt64(0)) }
	var err error
	if user != "" {
		err = t.rows(`SELECT s.key FROM session s JOIN activity a ON a.key = s.key
			WHERE s.user_id = ?1 AND s.user_id <> '' AND s.key <> ?2 AND a.expires_at > ?3 AND s.deadline > ?3
			ORDER BY a.last_active DESC, s.id DESC LIMIT -1 OFFSET ?4`,
			func(s *sqlite.Stmt) {
				s.BindText(1, user)
				s.BindInt64(2, newest)
				s.BindInt64(3, t.b.Now)
				s.BindInt64(4, int64(most-1))
			}, collect)
	} else if t.guests > most {
		err = t.rows(`SELECT key FROM session WHERE user_id = '' AND key <> ?1 ORDER BY key LIMIT ?2`,
			func(s *sqlite.Stmt) { s.BindInt64(1, newest); s.BindInt64(2, int64(t.guests-most)) }, collect)
	}
	if err != nil {
		return nil, err
	}
	var gone []persist.Removed
	for _, key := range keys {
		x, err := t.remove(`DELETE FROM session WHERE key = ?1 RETURNING key, id, token_hash, user_id`,
			func(s *sqlite.Stmt) { s.BindInt64(1, key) })
		if err != nil {
			return nil, err
		}
		gone = append(gone, x...)
	}
	return gone, nil
}

// remove runs a DELETE … RETURNING and deletes the narrow rows too.
func (t *transaction) remove(q string, bind func(*sqlite.Stmt)) ([]persist.Removed, error) {
	var gone []persist.Removed
	var keys []int64
	err := t.rows(q, bind, func(s *sqlite.Stmt) {
		x := persist.Removed{UserID: s.ColumnText(3)}
		s.ColumnBytes(1, x.ID[:])
		s.ColumnBytes(2, x.Hash[:])
		gone, keys = append(gone, x), append(keys, s.ColumnInt64(0))
	})
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		if _, err := t.change(`DELETE FROM activity WHERE key = ?1`, func(s *sqlite.Stmt) { s.BindInt64(1, key) }); err != nil {
			return nil, err
		}
		if gone[i].UserID == "" {
			t.guests--
		}
	}
	return gone, nil
}

func removed(gone []persist.Removed, err error) (persist.Outcome, error) {
	if len(gone) == 0 {
		return persist.Outcome{Status: persist.Gone}, err
	}
	return persist.Outcome{Status: persist.Applied, Removed: gone}, err
}

func (t *transaction) destroy(id persist.ID) (persist.Outcome, error) {
	return removed(t.remove(`DELETE FROM session WHERE id = ?1 RETURNING key, id, token_hash, user_id`,
		func(s *sqlite.Stmt) { s.BindBytes(1, id[:]) }))
}

func (t *transaction) destroyUser(user string, except persist.ID) (persist.Outcome, error) {
	return removed(t.remove(`DELETE FROM session WHERE user_id = ?1 AND user_id <> '' AND id <> ?2
		RETURNING key, id, token_hash, user_id`,
		func(s *sqlite.Stmt) { s.BindText(1, user); s.BindBytes(2, except[:]) }))
}

// expire deletes a session if its end has come by what is on disk now.
func (t *transaction) expire(id persist.ID) (persist.Outcome, error) {
	o := persist.Outcome{Status: persist.Gone}
	err := t.rows(`SELECT coalesce(a.expires_at, 0) <= ?2 OR s.deadline <= ?2
		FROM session s LEFT JOIN activity a ON a.key = s.key WHERE s.id = ?1`,
		func(s *sqlite.Stmt) { s.BindBytes(1, id[:]); s.BindInt64(2, t.b.Now) },
		func(s *sqlite.Stmt) {
			o.Status = persist.Conflict
			if s.ColumnBool(0) {
				o.Status = persist.Applied
			}
		})
	if err != nil || o.Status != persist.Applied {
		return o, err
	}
	return t.destroy(id)
}

func (t *transaction) rotate(o *persist.Op) (persist.Outcome, error) {
	n, err := t.change(`UPDATE session SET token_hash = ?3, previous_hash = ?2, rotated_until = ?4, rotated_at = ?5,
		auth_at = iif(?6 = 0, auth_at, ?6) WHERE id = ?1 AND token_hash = ?2`,
		func(s *sqlite.Stmt) {
			s.BindBytes(1, o.Ref.ID[:])
			s.BindBytes(2, o.From[:])
			s.BindBytes(3, o.To[:])
			s.BindInt64(4, o.Until)
			s.BindInt64(5, t.b.Now)
			s.BindInt64(6, o.AuthAt)
		})
	if sqlite.ErrCode(err) == sqlite.ResultConstraintUnique {
		return persist.Outcome{Status: persist.Conflict}, nil // another session has that token (A30)
	}
	if err != nil || n > 0 {
		return persist.Outcome{Status: persist.Applied}, err
	}
	out := persist.Outcome{Status: persist.Gone}
	err = t.rows(`SELECT token_hash FROM session WHERE id = ?1`,
		func(s *sqlite.Stmt) { s.BindBytes(1, o.Ref.ID[:]) },
		func(s *sqlite.Stmt) {
			out.Status = persist.Conflict
			var h persist.Hash
			if s.ColumnBytes(0, h[:]); h == o.To {
				out.Status = persist.Applied // by an attempt whose outcome was unknown
			}
		})
	return out, err
}

func (t *transaction) seen(o *persist.Op) (persist.Outcome, error) {
	n, err := t.change(`UPDATE session SET rotated_until = min(rotated_until, ?3) WHERE id = ?1 AND token_hash = ?2`,
		func(s *sqlite.Stmt) {
			s.BindBytes(1, o.Ref.ID[:])
			s.BindBytes(2, o.To[:])
			s.BindInt64(3, o.Until)
		})
	if err != nil || n == 0 {
		return persist.Outcome{Status: persist.Gone}, err
	}
	return persist.Outcome{Status: persist.Applied}, nil
}
