package bench

import (
	"database/sql"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	_ "github.com/mattn/go-sqlite3" // the driver that the store requires
)

const scsSchema = `
CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
CREATE INDEX sessions_expiry_idx ON sessions(expiry);`

// scsConnections is the size of the pool of scs over SQLite. The default of database/sql keeps two idle connections and opens
// others for each burst. More than four are slower, because writers poll for the lock.
const scsConnections = 4

// newSCSSQLite is scs with SQLite in C, in WAL mode, with the schema of its README and the page cache of our writer.
func newSCSSQLite(synchronous string) func(testing.TB, options) client {
	return func(tb testing.TB, o options) client {
		tb.Helper()
		path := filepath.Join(tb.TempDir(), "scs.db")
		db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_busy_timeout=60000&_cache_size=-32768&_synchronous="+synchronous)
		if err != nil {
			tb.Fatal(err)
		}
		db.SetMaxOpenConns(scsConnections)
		db.SetMaxIdleConns(scsConnections)
		tb.Cleanup(func() { _ = db.Close() })
		if _, err := db.ExecContext(tb.Context(), scsSchema); err != nil {
			tb.Fatal(err)
		}
		disk := &countingStore{Store: sqlite3store.NewWithCleanupInterval(db, 0), db: db}
		c := newSCS(disk, o)
		c.disk = disk
		c.load = func(all map[string][]byte, expiry time.Time) {
			if err := loadSQLite(tb, db, all, expiry); err != nil {
				tb.Fatal(err)
			}
		}
		return c
	}
}

// loadSQLite inserts sessions in one transaction, and moves them from the WAL to the file.
func loadSQLite(tb testing.TB, db *sql.DB, all map[string][]byte, expiry time.Time) error {
	tb.Helper()
	tx, err := db.BeginTx(tb.Context(), nil)
	if err != nil {
		return err
	}
	insert, err := tx.PrepareContext(tb.Context(), `INSERT INTO sessions (token, data, expiry) VALUES ($1, $2, julianday($3))`)
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	defer insert.Close()
	for token, data := range all {
		if _, err := insert.ExecContext(tb.Context(), token, data, expiry.UTC().Format("2006-01-02T15:04:05.999")); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = db.ExecContext(tb.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// countingStore counts the commits of a store with a file.
type countingStore struct {
	scs.Store
	db      *sql.DB
	commits atomic.Int64
}

// Commit implements scs.Store.
func (s *countingStore) Commit(token string, b []byte, expiry time.Time) error {
	err := s.Store.Commit(token, b, expiry)
	if err == nil {
		s.commits.Add(1)
	}
	return err
}

// Delete implements scs.Store.
func (s *countingStore) Delete(token string) error {
	err := s.Store.Delete(token)
	if err == nil {
		s.commits.Add(1)
	}
	return err
}
