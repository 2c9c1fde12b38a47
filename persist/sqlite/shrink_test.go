package sqlite_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// expireAll fills a store with 3,000 sessions of 4 kB and expires them, in the chunks of the
// clean-up. It returns the size of the file before and after, in bytes.
func expireAll(t *testing.T, d *sqlite.DB, path string) (before, after int64) {
	t.Helper()
	b := &persist.Batch{Now: benchNow}
	for i := range 3000 {
		op := create(i)
		op.Record.Data = bytes.Repeat([]byte("x"), 4000)
		b.Ops = append(b.Ops, op)
	}
	applyAll(t, d, b)
	ok(t, d.Close())
	before = d.Inspect().FileBytes
	d = open(t, path)
	b = &persist.Batch{Now: benchNow}
	for i := range 3000 {
		b.Ops = append(b.Ops, destroy(i))
		if len(b.Ops) == 64 || i == 2999 {
			applyAll(t, d, b)
			b = &persist.Batch{Now: benchNow}
		}
	}
	for n, was := 0, d.Inspect().WALBytes; d.Look(new(resets)); n++ {
		if n > 10_000 {
			t.Fatal("it does not come to an end")
		}
		if grown := d.Inspect().WALBytes - was; grown > 200*4120 {
			t.Fatalf("one commit has %d bytes", grown)
		}
		was = d.Inspect().WALBytes
	}
	must(t, d, create(5000))
	ok(t, d.Close())
	return before, d.Inspect().FileBytes
}

func TestShrinkReturnsThePagesOfEndedSessions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	before, after := expireAll(t, open(t, path), path)
	if after > before/4 {
		t.Errorf("it had %d bytes, and has %d", before, after)
	}
}

// A file that an older version created cannot shrink, and works as before. A restored backup of
// it can shrink.
func TestShrinkWorksOnAnOldFileOnceItsBackupIsRestored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	ok(t, open(t, path).Close())
	c := raw(t, path)
	for _, sql := range []string{"PRAGMA journal_mode=DELETE", "PRAGMA auto_vacuum=NONE", "VACUUM"} {
		ok(t, sqlitex.ExecuteTransient(c, sql, nil))
	}
	ok(t, c.Close())
	before, after := expireAll(t, open(t, path), path)
	if after < before {
		t.Fatalf("the old file has shrunk: %d, %d", before, after)
	}
	d := open(t, path)
	copied := filepath.Join(t.TempDir(), "copy.db")
	ok(t, d.Backup(context.Background(), copied), d.Close())
	if _, err := sqlite.Restore(context.Background(), copied, path, restoreNow); err != nil {
		t.Fatal(err)
	}
	before, after = expireAll(t, open(t, path), path)
	if after > before/4 {
		t.Errorf("it had %d bytes, and has %d", before, after)
	}
}
