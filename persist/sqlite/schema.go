package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// applicationID marks our files: "sesl".
const applicationID = 0x7365736c

// migrations make the schema, one step a version. What changes on every request
// lives in the narrow table, keyed by a small integer and without an index on
// either time; what changes rarely in the wide one. [measured: 57–350 k touches/s
// against 9–15 k in one wide indexed table] AUTOINCREMENT never uses a key again,
// so a late touch cannot hit another session. ExpiresAt is never after deadline,
// so the sweep reads the narrow table alone.
var migrations = []string{`
CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
	key           INTEGER PRIMARY KEY AUTOINCREMENT,
	id            BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
	token_hash    BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
	previous_hash BLOB CHECK (length(previous_hash) = 32),
	rotated_until INTEGER NOT NULL DEFAULT 0,
	rotated_at    INTEGER NOT NULL DEFAULT 0,
	auth_at       INTEGER NOT NULL DEFAULT 0,
	user_id       TEXT NOT NULL,
	ip_address    TEXT NOT NULL,
	user_agent    TEXT NOT NULL,
	device_name   TEXT NOT NULL,
	device_type   TEXT NOT NULL,
	fingerprint   TEXT NOT NULL,
	created_at    INTEGER NOT NULL,
	deadline      INTEGER NOT NULL,
	ttl           INTEGER NOT NULL,
	version       INTEGER NOT NULL,
	data          BLOB NOT NULL
) STRICT;

CREATE TABLE activity (
	key         INTEGER PRIMARY KEY,
	last_active INTEGER NOT NULL,
	expires_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX session_user ON session (user_id) WHERE user_id <> '';
CREATE INDEX session_guest ON session (key) WHERE user_id = '';
CREATE INDEX session_previous ON session (previous_hash) WHERE previous_hash IS NOT NULL;
`} //nolint:gochecknoglobals // a constant in all but name

// checkHeader looks at an existing file's first bytes before anything may write.
func checkHeader(f io.ReaderAt, info os.FileInfo) error {
	if info == nil || info.Size() == 0 {
		return nil
	}
	var h [100]byte
	if n, err := f.ReadAt(h[:], 0); n < len(h) {
		return errors.Join(fmt.Errorf("%w: shorter than a database header", persist.ErrNotStore), ignoreEOF(err))
	}
	if string(h[:16]) != "SQLite format 3\x00" {
		return fmt.Errorf("%w: not an SQLite database", persist.ErrNotStore)
	}
	return checkMarks(int64(binary.BigEndian.Uint32(h[68:])), int64(binary.BigEndian.Uint32(h[60:])))
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// checkMarks judges an application id and a schema version.
func checkMarks(app, version int64) error {
	switch {
	case app != applicationID && app != 0:
		return fmt.Errorf("%w: a database of another application", persist.ErrNotStore)
	case app == applicationID && version > int64(len(migrations)):
		return fmt.Errorf("%w: schema %d, this one knows %d", persist.ErrNewer, version, len(migrations))
	default:
		return nil
	}
}

// checkForeign refuses a database that is not ours by what is in it. It reads only.
func checkForeign(cfg Config) (err error) {
	c, err := connect(cfg, sqlite.OpenReadOnly)
	if err != nil {
		return fmt.Errorf("%w: %w", persist.ErrNotStore, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	app, err1 := queryInt(c, `PRAGMA application_id`)
	version, err2 := queryInt(c, `PRAGMA user_version`)
	tables, err3 := queryInt(c, `SELECT count(*) FROM sqlite_schema`)
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("%w: %w", persist.ErrNotStore, err)
	}
	if app == 0 && (tables > 0 || version > 0) {
		return fmt.Errorf("%w: a database of another application", persist.ErrNotStore)
	}
	return checkMarks(app, version)
}

// migrate brings the schema to the newest version. Each step is one transaction
// with its DDL and its version number, so a crash leaves no half step (D25).
func migrate(ctx context.Context, c *sqlite.Conn, steps []string) error {
	version, err := queryInt(c, `PRAGMA user_version`)
	if err != nil {
		return err
	}
	for v := int(version); v < len(steps); v++ {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := migrateStep(c, steps[v], v+1); err != nil {
			return fmt.Errorf("migrating to schema %d: %w", v+1, err)
		}
	}
	return nil
}

func migrateStep(c *sqlite.Conn, ddl string, version int) (err error) {
	end, err := sqlitex.ImmediateTransaction(c)
	if err != nil {
		return err
	}
	defer end(&err)
	script := []string{
		strings.TrimSpace(ddl),
		"PRAGMA application_id = " + strconv.Itoa(applicationID),
		"PRAGMA user_version = " + strconv.Itoa(version),
	}
	for _, s := range script {
		if err := execAll(c, s); err != nil {
			return err
		}
	}
	return nil
}

// execAll runs the statements of a script inside the transaction that is open.
func execAll(c *sqlite.Conn, script string) error {
	for script = strings.TrimSpace(script); script != ""; script = strings.TrimSpace(script) {
		st, rest, err := c.PrepareTransient(script)
		if err != nil {
			return err
		}
		script = script[len(script)-rest:]
		if st == nil {
			continue
		}
		_, err = st.Step()
		if err := errors.Join(err, st.Finalize()); err != nil {
			return err
		}
	}
	return nil
}
