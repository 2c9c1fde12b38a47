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

// migrations are the steps from an empty database to the newest schema. The
// schema's version is how many of them were done. A step that was released never
// changes; a new one is appended.
func migrations() []migration { return []migration{createSchema, addTime} }

// createSchema makes schema 1. What changes on every request lives in the narrow
// table, keyed by a small integer and without an index on a time; what changes
// rarely lives in the wide one. [measured: 57–350 k touches/s, against 9–15 k in
// one wide indexed table] The deadline stands beside the end that it bounds, so
// that the database itself refuses a session that outlives it (I6) and neither a
// touch nor the sweep reads the wide table. AUTOINCREMENT uses no key twice: a
// late touch cannot hit another session. Sessions of a user, and guests in order
// of their keys, come out of one index.
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

// addTime makes schema 2: which lifetimes of a session are the configuration's (those
// of the sessions there are keep theirs), and the latest time of a commit.
func addTime(c *sqlite.Conn) error {
	return sqlitex.ExecuteScript(c, `
ALTER TABLE session ADD COLUMN defaults INTEGER NOT NULL DEFAULT 0;
INSERT INTO meta (name, value) VALUES ('clock', zeroblob(8));
`, nil)
}

// clockOf reads the latest time of a commit, 0 if it is not known.
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
