package bench

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

// openStore opens a store that can hold that many sessions in memory.
func openStore(tb testing.TB, path string, sessions int, change func(*sessile.Config)) *sessile.Store {
	tb.Helper()
	cfg := sessile.Config{Path: path, MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup}
	sizeCache(&cfg, sessions)
	if change != nil {
		change(&cfg)
	}
	s, err := sessile.Open(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// rawConn is a bare connection to a file, with our durability settings and the page cache of our writer.
func rawConn(tb testing.TB, path string) *sqlite.Conn {
	tb.Helper()
	return connect(tb, path, "journal_mode=WAL", "synchronous=FULL", "cache_size=-32768")
}

// fillConn is a connection for filling a file fast before a measurement. It has no journal, no syncs, and a page
// cache of a quarter of a gigabyte.
func fillConn(tb testing.TB, path string) *sqlite.Conn {
	tb.Helper()
	return connect(tb, path, "journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-262144")
}

func connect(tb testing.TB, path string, pragmas ...string) *sqlite.Conn {
	tb.Helper()
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	for _, p := range pragmas {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+p, nil); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// ourSchema creates an empty file with our schema.
func ourSchema(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "raw.db")
	if err := openStore(tb, path, 0, nil).Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// rawRow is a session as a row of our schema. Fields that are missing here are the same in all rows.
type rawRow struct {
	id      [16]byte
	hash    [32]byte
	user    string
	meta    sessile.Meta
	data    []byte
	created int64
}

// freshRow returns the n-th session of a file. As in a store, its ID begins with its time and its hash is
// random.
func freshRow(n int, meta sessile.Meta) *rawRow {
	r := &rawRow{user: fmt.Sprint("user", n), meta: meta, data: []byte(`{"profile":"` + profile + `"}`), created: since + int64(n)*1000}
	_, _ = rand.Read(r.id[:])
	_, _ = rand.Read(r.hash[:])
	binary.BigEndian.PutUint64(r.id[:], uint64(r.created/1000)<<16|uint64(r.id[6])<<8|uint64(r.id[7]))
	return r
}

// since is when the first row of a file was created. month is how long rows live. Both are in microseconds.
var since = time.Now().Add(-24 * time.Hour).UnixMicro()

const month = 30 * 24 * 3600 * 1_000_000

// insert creates a session with bare statements.
func (r *rawRow) insert(c *sqlite.Conn) error {
	s, err := c.Prepare(`INSERT INTO session (id, token_hash, rotated_until, rotated_at, auth_at, user_id, ip_address, user_agent,
		device_name, device_type, fingerprint, created_at, ttl, version, data) VALUES (?, ?, 0, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`)
	if err != nil {
		return err
	}
	s.BindBytes(1, r.id[:])
	s.BindBytes(2, r.hash[:])
	for i, v := range []string{r.user, r.meta.IPAddress, r.meta.UserAgent, r.meta.DeviceName, r.meta.DeviceType, r.meta.Fingerprint} {
		s.BindText(3+i, v)
	}
	s.BindInt64(9, r.created)
	s.BindInt64(10, month)
	s.BindBytes(11, r.data)
	if err := run(s); err != nil {
		return err
	}
	key := c.LastInsertRowID()
	if s, err = c.Prepare(`INSERT INTO activity (key, last_active, expires_at, deadline) VALUES (?, ?, ?, ?)`); err != nil {
		return err
	}
	for i, v := range []int64{key, r.created, r.created + month, r.created + 3*month} {
		s.BindInt64(1+i, v)
	}
	return run(s)
}

// run executes a bound statement that returns no rows.
func run(s *sqlite.Stmt) error {
	if _, err := s.Step(); err != nil {
		return err
	}
	return s.Reset()
}

// commitRaw runs fn in one transaction.
func commitRaw(c *sqlite.Conn, fn func() error) (err error) {
	if err := sqlitex.Execute(c, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return sqlitex.Execute(c, "COMMIT", nil)
}

// rawRead is the cold read of a session as a bare statement: ours, with a copy of the long columns. A missing
// session is an error.
func rawRead(c *sqlite.Conn, hash []byte) error {
	s, err := c.Prepare(`SELECT s.key, s.id, s.token_hash, s.previous_hash, s.rotated_until, s.rotated_at, s.auth_at,
		s.user_id, s.ip_address, s.user_agent, s.device_name, s.device_type, s.fingerprint, s.created_at, s.ttl, s.version, s.data,
		(SELECT last_active FROM activity a WHERE a.key = s.key),
		(SELECT expires_at FROM activity a WHERE a.key = s.key),
		(SELECT deadline FROM activity a WHERE a.key = s.key)
		FROM session s WHERE s.token_hash = ?`)
	if err != nil {
		return err
	}
	s.BindBytes(1, hash)
	found, err := s.Step()
	if err != nil {
		return err
	}
	if !found {
		return errors.New("a session is not there")
	}
	data := make([]byte, s.ColumnLen(16))
	s.ColumnBytes(16, data)
	_, _, _ = s.ColumnText(7), s.ColumnInt64(17), s.ColumnInt64(18)
	return s.Reset()
}
