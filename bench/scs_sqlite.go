package bench

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/alexedwards/scs/sqlite3store"
	_ "github.com/mattn/go-sqlite3" // the driver that the store requires
)

const scsSchema = `
CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
CREATE INDEX sessions_expiry_idx ON sessions(expiry);`

// newSCSSQLite is scs with SQLite in C, in WAL mode, with the schema of its README.
func newSCSSQLite(synchronous string) func(testing.TB, options) client {
	return func(tb testing.TB, o options) client {
		tb.Helper()
		path := filepath.Join(tb.TempDir(), "scs.db")
		db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_busy_timeout=60000&_synchronous="+synchronous)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = db.Close() })
		if _, err := db.ExecContext(tb.Context(), scsSchema); err != nil {
			tb.Fatal(err)
		}
		return newSCS(sqlite3store.NewWithCleanupInterval(db, 0), o)
	}
}
