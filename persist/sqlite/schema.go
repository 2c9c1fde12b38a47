package sqlite

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// applicationID marks our files: "sesl".
const applicationID = 0x7365736c

// migrations are the steps from an empty database to the newest schema. The schema version is
// the number of completed steps. A released step never changes; new ones are appended.
func migrations() []migration { return []migration{createSchema, addTime} }

// createSchema creates schema 1.
//
// The narrow table, activity, holds what changes on every request. Its key is a small integer
// and it has no index on a time. The wide table, session, holds what rarely changes.
// [measured: 57–350 k touches/s, against 9–15 k in one wide indexed table]
//
// The deadline is stored beside expires_at, which it bounds. The database itself therefore
// refuses a session that outlives its absolute timeout, and neither a touch nor the sweep
// reads the wide table.
//
// AUTOINCREMENT never reuses a key, so a late touch cannot hit another session. One index
// yields the sessions of a user, and the guests in key order.
func createSchema(c *sqlite.Conn) error {
	const ddl = `
CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
	key           INTEGER PRIMARY KEY AUTOINCREMENT,
	id            BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
	token_hash    BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
	previous_hash BLOB CHECK (length(previous_hash) = 32),
	rotated_until INTEGER NOT NULL,
	rotated_at    INTEGER NOT NULL,
	auth_at       INTEGER NOT NULL,
	user_id       TEXT NOT NULL,
	ip_address    TEXT NOT NULL,
	user_agent    TEXT NOT NULL,
	device_name   TEXT NOT NULL,
	device_type   TEXT NOT NULL,
	fingerprint   TEXT NOT NULL,
	created_at    INTEGER NOT NULL,
	ttl           INTEGER NOT NULL,
	version       INTEGER NOT NULL,
	data          BLOB NOT NULL
) STRICT;

CREATE INDEX session_user ON session (user_id);
CREATE INDEX session_previous ON session (previous_hash) WHERE previous_hash IS NOT NULL;

CREATE TABLE activity (
	key         INTEGER PRIMARY KEY,
	last_active INTEGER NOT NULL,
	expires_at  INTEGER NOT NULL CHECK (expires_at <= deadline),
	deadline    INTEGER NOT NULL
) STRICT;
`
	if err := sqlitex.ExecuteScript(c, ddl, nil); err != nil {
		return err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("making the store key: %w", err)
	}
	if _, err := query(c, `INSERT INTO meta (name, value) VALUES ('store_key', ?)`).blob(key).change(); err != nil {
		return err
	}
	_, err := new(mark).renew(c)
	return err
}

// addTime creates schema 2: which lifetimes of a session are configuration defaults (none, for
// existing sessions), and the latest time of a commit. The column holds all persist.Flags by now.
func addTime(c *sqlite.Conn) error {
	return sqlitex.ExecuteScript(c, `
ALTER TABLE session ADD COLUMN defaults INTEGER NOT NULL DEFAULT 0;
INSERT INTO meta (name, value) VALUES ('clock', zeroblob(8));
`, nil)
}

// clockOf reads the latest time of a commit, or 0 if it is unknown.
func clockOf(c *sqlite.Conn) (at int64, err error) {
	err = query(c, `SELECT value FROM meta WHERE name = 'clock'`).rows(func(s *sqlite.Stmt) error {
		if b := bytesOf(s, 0); len(b) == 8 {
			at = int64(binary.BigEndian.Uint64(b))
		}
		return nil
	})
	return at, err
}

// storeKey reads the store's key.
func storeKey(c *sqlite.Conn) (key []byte, err error) {
	err = query(c, `SELECT value FROM meta WHERE name = 'store_key'`).rows(func(s *sqlite.Stmt) error {
		key = bytesOf(s, 0)
		return nil
	})
	if codeOf(err) == sqlite.ResultError || err == nil && len(key) != 32 {
		return nil, errors.Join(fmt.Errorf("%w: it is damaged: it has no store key", persist.ErrNotStore), err)
	}
	return key, err
}
