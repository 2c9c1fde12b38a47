package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lib "modernc.org/sqlite/lib"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// SQLite syncs the file only when a checkpoint reaches the end of the WAL. If that sync fails,
// the pages of earlier checkpoints may be lost too, so they are written again.
func TestCheckpointThatFailsIsRepeatedFromItsBeginning(t *testing.T) { // D10, D23
	disk := newDisk(t)
	path := filepath.Join(t.TempDir(), "s.db")
	d := disk.open(t, path)
	defer d.Close()
	fill(t, d, 500)
	reader := reading(t, path)
	disk.from(nil)
	for n := 500; d.Inspect().WALBytes < 1100*4096; n += 50 {
		var ops []persist.Op
		for i := range 50 {
			ops = append(ops, create(n+i))
		}
		must(t, d, ops...)
	}
	partly := written(disk.trace(), path)
	if len(partly) == 0 {
		t.Fatal("nothing was written back while the reader stayed")
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	disk.from(once(faultvfs.Sync, "s.db", faultvfs.Verdict{Code: lib.SQLITE_IOERR_FSYNC}))
	must(t, d, create(100_000)) // the commit succeeds; only the checkpoint after it fails
	must(t, d, create(100_001))
	calls := disk.trace()
	failed := slices.IndexFunc(calls, func(c faultvfs.Call) bool { return c.Op == faultvfs.Sync && c.Path == path })
	if failed < 0 {
		t.Fatal("no checkpoint reached the end")
	}
	again := written(calls[failed:], path)
	for page := range partly {
		if !again[page] {
			t.Fatalf("the page at %d was not written again: %d before, %d after", page, len(partly), len(again))
		}
	}
}

// A reader let the WAL grow. The first commit that can empties it.
func TestCheckpointEmptiesALongWAL(t *testing.T) { // R17
	path := filepath.Join(t.TempDir(), "s.db")
	d := open(t, path)
	must(t, d, create(1))
	reader := reading(t, path)
	large := persist.Batch{Now: benchNow}
	for n := 10; n < 1010; n++ {
		op := create(n)
		op.Record.Data = slices.Repeat([]byte("x"), 60_000)
		large.Ops = append(large.Ops, op)
	}
	if _, err := d.Apply(context.Background(), &large); err != nil {
		t.Fatal(err)
	}
	if n := d.Inspect().WALBytes; n < 32<<20 {
		t.Fatalf("the WAL has %d bytes", n)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for n := 2000; n < 2020 && d.Inspect().WALBytes > 0; n++ {
		large.Ops = []persist.Op{create(n)}
		for i := range 10 {
			op := create(n*100 + i)
			op.Record.Data = slices.Repeat([]byte("x"), 60_000)
			large.Ops = append(large.Ops, op)
		}
		if _, err := d.Apply(context.Background(), &large); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.Inspect().WALBytes; n > 0 {
		t.Errorf("the WAL has %d bytes and is not emptied", n)
	}
}

// A process may leave commits in the WAL that were never synced. The next one syncs them before
// it commits anything after them, whether or not a reader is active.
func TestOpenSettlesTheWALThatItFinds(t *testing.T) { // D9, D23
	from := filepath.Join(t.TempDir(), "s.db")
	d := open(t, from)
	must(t, d, create(1), create(2))
	disk := newDisk(t)
	path := copyOf(t, from)
	d = disk.open(t, path)
	defer d.Close()
	synced := slices.IndexFunc(disk.trace(), func(c faultvfs.Call) bool { return c.Op == faultvfs.Sync && c.Path == path })
	if synced < 0 || d.Inspect().WALBytes > 0 {
		t.Errorf("the WAL was not written to the file: synced %v, %d bytes", synced >= 0, d.Inspect().WALBytes)
	}
	path = copyOf(t, from)
	reader := reading(t, path)
	before, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	d = disk.open(t, path)
	defer d.Close()
	if n := d.Inspect().WALBytes; n <= before.Size() {
		t.Errorf("no commit stands behind what was in the WAL: %d bytes, then %d", before.Size(), n)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	must(t, d, destroy(1))
	if exists(t, d, 1) || !exists(t, d, 2) {
		t.Error("it lacks what was in the WAL")
	}
}

func TestOpenTakesATornHeaderFromTheWAL(t *testing.T) { // D23
	path := filepath.Join(t.TempDir(), "s.db")
	d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	must(t, d, create(1))
	torn := crashed(t, path)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = sqlite.Open(context.Background(), sqlite.Config{Path: torn})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer d.Close()
	if !exists(t, d, 1) {
		t.Fatal("what was acknowledged is not there")
	}
}

func TestOpenLeavesAForeignFileBesideAWALUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letter.txt")
	for _, name := range []string{path, path + "-wal"} {
		if err := os.WriteFile(name, []byte(strings.Repeat("Dear diary. ", 500)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sqlite.Open(context.Background(), sqlite.Config{Path: path}); !errors.Is(err, persist.ErrNotStore) {
		t.Fatalf("Open: %v", err)
	}
	for _, name := range []string{path, path + "-wal"} {
		if b, err := os.ReadFile(name); err != nil || string(b) != strings.Repeat("Dear diary. ", 500) {
			t.Fatalf("%s was changed: %v", name, err)
		}
	}
}
