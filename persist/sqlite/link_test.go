package sqlite_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite/sqlitex"
)

// A checkpoint that a power cut ends may leave the page of the mark half written: here its
// number of rows is of another state. The WAL has the page, so the store opens.
func TestOpenAfterAPowerCutInACheckpointFindsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	d := open(t, path)
	must(t, d, create(1))
	ok(t, d.Close())
	d = open(t, path)
	must(t, d, create(2))
	killed := copyOf(t, path)
	c := raw(t, killed)
	root, err := sqlitex.ResultInt64(c.Prep("SELECT rootpage FROM sqlite_schema WHERE name = 'meta'"))
	ok(t, err)
	page, err := sqlitex.ResultInt64(c.Prep("PRAGMA page_size"))
	ok(t, err, c.Close())
	killed = copyOf(t, path)
	b, err := os.ReadFile(killed)
	ok(t, err)
	binary.BigEndian.PutUint16(b[(root-1)*page+3:], 0)
	write(t, killed, b)

	again := open(t, killed)
	if !exists(t, again, 1) || !exists(t, again, 2) {
		t.Error("a session is lost")
	}
	must(t, again, create(3))
}
