package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	lib "modernc.org/sqlite/lib"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
)

// A long-running reader of another program does not block the repair of the writer.
func TestRepairDoesNotWaitForReaders(t *testing.T) { // D10
	for name, v := range map[string]struct {
		op     faultvfs.Op
		suffix string
		code   int32
	}{
		"a sync of the WAL": {faultvfs.Sync, "-wal", lib.SQLITE_IOERR_FSYNC},
		"a write":           {faultvfs.Write, "-wal", lib.SQLITE_IOERR_WRITE},
		"a full disk":       {faultvfs.Write, "-wal", lib.SQLITE_FULL},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk(t)
			path := filepath.Join(t.TempDir(), "s.db")
			d := disk.open(t, path)
			defer d.Close()
			must(t, d, create(1), create(2))
			reader := reading(t, path)
			must(t, d, create(3))
			disk.from(once(v.op, v.suffix, faultvfs.Verdict{Code: v.code}))
			if _, err := apply(d, destroy(1)); err == nil {
				t.Fatal("the fault was not felt")
			}
			disk.from(nil)
			began := time.Now()
			must(t, d, destroy(1), create(4))
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if err := reader.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, copyOf(t, path))
			if exists(t, again, 1) || !exists(t, again, 2) || !exists(t, again, 3) || !exists(t, again, 4) {
				t.Error("what was acknowledged is not there after a crash")
			}
		})
	}
}

func TestRepairRetriesAWriterThatCannotBeReopened(t *testing.T) { // D10
	disk := newDisk(t)
	d := disk.open(t, filepath.Join(t.TempDir(), "s.db"))
	defer d.Close()
	must(t, d, create(1))
	broken := func(_ int, c faultvfs.Call) faultvfs.Verdict {
		if c.Op == faultvfs.Write || c.Op == faultvfs.Sync || c.Op == faultvfs.Truncate {
			return faultvfs.Verdict{Code: lib.SQLITE_IOERR_WRITE}
		}
		return faultvfs.Verdict{}
	}
	disk.from(broken)
	for range 5 {
		_, err := apply(d, destroy(1))
		if !errors.Is(err, persist.ErrUnavailable) && !errors.Is(err, persist.ErrUnknown) {
			t.Fatalf("Apply: %v", err)
		}
	}
	if !exists(t, d, 1) {
		t.Fatal("reads do not go on while writes fail")
	}
	disk.from(nil)
	must(t, d, destroy(1))
	if exists(t, d, 1) {
		t.Fatal("it was not destroyed")
	}
}

func TestReadReplacesAReaderAfterAnIOError(t *testing.T) {
	disk := newDisk(t)
	path := filepath.Join(t.TempDir(), "s.db")
	d := disk.open(t, path)
	fill(t, d, 1000)
	if err := d.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	d = disk.open(t, path) // with an empty page cache
	defer d.Close()
	disk.from(func(_ int, c faultvfs.Call) faultvfs.Verdict {
		if c.Op == faultvfs.Read {
			return faultvfs.Verdict{Code: lib.SQLITE_IOERR_READ}
		}
		return faultvfs.Verdict{}
	})
	for range 3 {
		if _, err := d.ByID(context.Background(), sample(500).ID); !errors.Is(err, persist.ErrUnavailable) {
			t.Fatalf("ByID: %v", err)
		}
	}
	disk.from(nil)
	if !exists(t, d, 500) {
		t.Fatal("it is not there any more")
	}
}
