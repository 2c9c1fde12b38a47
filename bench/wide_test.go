package bench

import (
	"errors"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

// wideTable is an obvious schema: everything about a session in one row, and an index on each time that is
// searched for. Times are integers and hashes are blobs, because text would only be slower.
type wideTable struct {
	what   string
	schema string
	insert string // binds the result of columns
	touch  string // binds the last activity, the end and the key
	text   bool   // the key is the text of the ID, otherwise a number
	short  bool   // stores only the key, the user, the data and the times
}

const wideColumns = `
	token_hash BLOB NOT NULL UNIQUE, user_id TEXT NOT NULL, ip_address TEXT NOT NULL, user_agent TEXT NOT NULL,
	device_name TEXT NOT NULL, device_type TEXT NOT NULL, fingerprint TEXT NOT NULL, data TEXT NOT NULL,
	created_at INTEGER NOT NULL, last_active_at INTEGER NOT NULL, expires_at INTEGER NOT NULL);`

const wideIndexes = `
	CREATE INDEX session_user ON session (user_id);
	CREATE INDEX session_expires ON session (expires_at);
	CREATE INDEX session_active ON session (last_active_at);`

// wideTables returns the obvious schema, and two that show how much of its cost comes from the key, and how much
// from the columns.
func wideTables() []wideTable {
	return []wideTable{
		{
			what:   "raw touches, one wide table, ULID key",
			schema: `CREATE TABLE session (id TEXT PRIMARY KEY,` + wideColumns + wideIndexes,
			insert: `INSERT INTO session VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`,
			touch:  `UPDATE session SET last_active_at = ?, expires_at = ? WHERE id = ?`, text: true,
		},
		{
			what:   "raw touches, one wide table, integer key",
			schema: `CREATE TABLE session (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,` + wideColumns + wideIndexes,
			insert: `INSERT INTO session VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`,
			touch:  `UPDATE session SET last_active_at = ?, expires_at = ? WHERE key = ?`,
		},
		{
			what: "raw touches, one table of five columns, integer key",
			schema: `CREATE TABLE session (key INTEGER PRIMARY KEY, user_id TEXT NOT NULL, data TEXT NOT NULL,
				last_active_at INTEGER NOT NULL, expires_at INTEGER NOT NULL);` + wideIndexes,
			insert: `INSERT INTO session VALUES (?, ?, ?, ?, ?)`,
			touch:  `UPDATE session SET last_active_at = ?, expires_at = ? WHERE key = ?`, short: true,
		},
	}
}

// columns returns the values of a row: texts, blobs and numbers.
func (w wideTable) columns(r *rawRow, key int) []any {
	ends := r.created + month
	if w.short {
		return []any{int64(key), r.user, string(r.data), r.created, ends}
	}
	m := r.meta
	return []any{
		int64(key), sessile.ID(r.id).String(), r.hash[:], r.user, m.IPAddress, m.UserAgent,
		m.DeviceName, m.DeviceType, m.Fingerprint, string(r.data), r.created, r.created, ends,
	}
}

// measure fills a table and touches every session once, in the same batches as our schema. For the obvious
// schema it repeats that with a window.
func (w wideTable) measure(t *testing.T, order []int) []writeRate {
	t.Helper()
	n, path := len(order), filepath.Join(t.TempDir(), "wide.db")
	c := rawConn(t, path)
	if err := errors.Join(sqlitex.ExecuteScript(c, w.schema, nil), c.Close()); err != nil {
		t.Fatal(err)
	}
	var ids []string
	filled(t, path, n, func(c *sqlite.Conn, i int) error {
		r := freshRow(i, browser())
		if w.text {
			ids = append(ids, sessile.ID(r.id).String())
		}
		return sqlitex.Execute(c, w.insert, &sqlitex.ExecOptions{Args: w.columns(r, i+1)})
	})
	now := since + int64(n)*1000
	bind := func(s *sqlite.Stmt, i int) {
		now++
		s.BindInt64(1, now)
		s.BindInt64(2, now+month)
		if w.text {
			s.BindText(3, ids[i])
		} else {
			s.BindInt64(3, int64(i+1))
		}
	}
	c = rawConn(t, path)
	list := []writeRate{inBatches(t, c, w.what, order, w.touch, bind)}
	if w.text { // the obvious schema
		list = append(list, inBatches(t, c, w.what+windowed, fromWindow(order), w.touch, bind))
	}
	return list
}
