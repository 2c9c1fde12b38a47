package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// write replaces the data of a session if its version is the expected one. It never inserts.
func (t *transaction) write(k keyed) (persist.Outcome, error) {
	w := &t.b.Writes[k.item]
	if k.key == 0 {
		return t.conflict(w.Ref.ID)
	}
	if t.data[k.item] == nil {
		t.data[k.item] = w.Data()
	}
	n, err := query(t.c, `UPDATE session SET data = ?1, version = ?2 WHERE key = ?3 AND id = ?4 AND version IN (?2, ?5)`).
		blob(t.data[k.item]).int(int64(w.Next)).int(k.key).blob(w.Ref.ID[:]).int(int64(w.If)).change()
	if err != nil {
		return persist.Outcome{}, err
	}
	if n == 0 {
		return t.conflict(w.Ref.ID)
	}
	if w.Retime != nil {
		return t.retime(k.key, w.Retime, w.LastActive, w.ExpiresAt)
	}
	n, err = query(t.c, `UPDATE activity SET last_active = max(last_active, ?), expires_at = min(?, deadline) WHERE key = ?`).
		int(w.LastActive).int(w.ExpiresAt).int(k.key).change()
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: its times are missing", persist.ErrCorrupt)
	}
	return persist.Outcome{Status: persist.StatusApplied}, err
}

// conflict distinguishes a session with another version from one that is gone.
func (t *transaction) conflict(id persist.ID) (persist.Outcome, error) {
	o := persist.Outcome{Status: persist.StatusGone}
	err := query(t.c, `SELECT version FROM session WHERE id = ?`).blob(id[:]).rows(func(s *sqlite.Stmt) error {
		o = persist.Outcome{Status: persist.StatusConflict, Version: persist.Version(s.ColumnInt64(0))}
		return nil
	})
	return o, err
}

// touch replaces the times of a session, unless the stored ones are newer. It never inserts. It
// checks only the key: no other session ever has it.
func (t *transaction) touch(k keyed) (persist.Outcome, error) {
	w := &t.b.Touches[k.item]
	if w.Retime != nil {
		return t.retime(k.key, w.Retime, w.LastActive, w.ExpiresAt)
	}
	n, err := query(t.c, `UPDATE activity SET last_active = ?1, expires_at = min(?2, deadline) WHERE key = ?3 AND last_active <= ?1`).
		int(w.LastActive).int(w.ExpiresAt).int(k.key).change()
	if err != nil || n > 0 {
		return persist.Outcome{Status: persist.StatusApplied}, err
	}
	o := persist.Outcome{Status: persist.StatusGone}
	err = query(t.c, `SELECT 1 FROM activity WHERE key = ?`).int(k.key).rows(func(*sqlite.Stmt) error {
		o.Status = persist.StatusApplied // the touch is older than the stored times
		return nil
	})
	return o, err
}

// retime corrects times that lie in the future; see [persist.Retime].
func (t *transaction) retime(key int64, r *persist.Retime, lastActive, expiresAt int64) (persist.Outcome, error) {
	n, err := query(t.c, `UPDATE session SET created_at = ?1, auth_at = ?2, rotated_at = min(rotated_at, ?3),
		rotated_until = iif(rotated_until = ?5, rotated_until, min(rotated_until, ?4)) WHERE key = ?6`).
		int(r.CreatedAt).int(r.AuthAt).int(r.RotatedAt).int(r.Until).int(persist.Unseen).int(key).change()
	if err != nil || n == 0 {
		return persist.Outcome{Status: persist.StatusGone}, err
	}
	n, err = query(t.c, `UPDATE activity SET last_active = ?1, expires_at = min(?2, ?3), deadline = ?3 WHERE key = ?4`).
		int(lastActive).int(expiresAt).int(r.Deadline).int(key).change()
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: its times are missing", persist.ErrCorrupt)
	}
	t.db.idle.note(guest{lastActive, key}, t.guests) // no effect unless it is a guest
	return persist.Outcome{Status: persist.StatusApplied}, err
}
