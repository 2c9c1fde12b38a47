package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lib "modernc.org/sqlite/lib"
	zombie "zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

func TestApplySyncsTheWALBeforeItReturns(t *testing.T) { // D1
	disk := newDisk(t)
	d := disk.open(t, filepath.Join(t.TempDir(), "s.db"))
	defer d.Close()
	for _, op := range []persist.Op{create(1), create(2), destroy(1)} {
		disk.from(nil)
		must(t, d, op)
		calls := disk.trace()
		last := slices.IndexFunc(calls, func(c faultvfs.Call) bool {
			return c.Op == faultvfs.Sync && strings.HasSuffix(c.Path, "-wal")
		})
		if last < 0 {
			t.Fatal("the WAL was not synced")
		}
		for _, c := range calls[last:] {
			if c.Op == faultvfs.Write && strings.HasSuffix(c.Path, "-wal") {
				t.Fatal("the WAL was written after it was synced")
			}
		}
	}
}

func TestApplyWithAFailedSyncIsUnknownAndCanBeRetried(t *testing.T) { // D9, D10
	disk := newDisk(t)
	path := filepath.Join(t.TempDir(), "s.db")
	d := disk.open(t, path)
	must(t, d, create(1))
	disk.from(once(faultvfs.Sync, "-wal", faultvfs.Verdict{Code: lib.SQLITE_IOERR_FSYNC}))
	_, err := apply(d, create(2))
	if !errors.Is(err, persist.ErrUnknown) || errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("Apply: %v", err)
	}
	if codeIn(err) != zombie.ResultIOErrFsync {
		t.Fatalf("the cause is not in %v", err)
	}
	disk.from(nil)
	must(t, d, create(2), destroy(1))
	calls := disk.trace()
	synced := slices.IndexFunc(calls, func(c faultvfs.Call) bool { return c.Op == faultvfs.Sync && c.Path == path })
	opened := slices.IndexFunc(calls, func(c faultvfs.Call) bool { return c.Op == faultvfs.Open && c.Path == path })
	if opened < 0 || synced < opened {
		t.Fatal("it was acknowledged without a new connection and a checkpoint")
	}
	if exists(t, d, 1) || !exists(t, d, 2) {
		t.Fatal("what was acknowledged is not there")
	}
	if err := d.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// A COMMIT that failed leaves complete frames in the WAL. The next batch finds nothing to
// destroy, changes nothing and is acknowledged. The failed commit must not come back.
func TestApplyThatFailedIsNotDoneAfterALaterAcknowledgement(t *testing.T) { // D9, D10
	for _, foreign := range []bool{false, true} {
		disk := &disk{VFS: faultvfs.New(fmt.Sprint(t.Name(), foreign))}
		disk.hook()
		path := filepath.Join(t.TempDir(), "s.db")
		d := disk.open(t, path)
		must(t, d, create(1))
		if foreign {
			reading(t, path)
		}
		disk.from(once(faultvfs.Sync, "-wal", faultvfs.Verdict{Code: lib.SQLITE_IOERR_FSYNC}))
		if _, err := apply(d, create(2)); !errors.Is(err, persist.ErrUnknown) {
			t.Fatalf("Apply: %v", err)
		}
		if !exists(t, open(t, copyOf(t, path)), 2) {
			t.Fatal("its frames are not in the WAL: this shows nothing")
		}
		disk.from(nil)
		if out, err := apply(d, destroy(2)); err != nil || out[0].Status != persist.StatusGone {
			t.Fatalf("Apply: %+v, %v", out, err)
		}
		if exists(t, open(t, copyOf(t, path)), 2) {
			t.Error("a session that was destroyed is there after a crash")
		}
		if err := d.Close(); err != nil && !foreign {
			t.Errorf("Close: %v", err)
		}
	}
}

// Whatever error COMMIT returns, its complete frames may be in the WAL, and a crash would then
// make them true.
func TestApplyThatReturnsBusyIsUnknown(t *testing.T) { // D9
	disk := newDisk(t)
	d := disk.open(t, filepath.Join(t.TempDir(), "s.db"))
	defer d.Close()
	disk.from(once(faultvfs.Sync, "-wal", faultvfs.Verdict{Code: lib.SQLITE_BUSY}))
	if _, err := apply(d, create(1)); !errors.Is(err, persist.ErrUnknown) || errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("Apply: %v", err)
	}
	disk.from(nil)
	must(t, d, create(1))
}

func TestApplyOnAFullDiskIsUnavailableUntilThereIsRoom(t *testing.T) { // D11, R15
	disk := newDisk(t)
	d := disk.open(t, filepath.Join(t.TempDir(), "s.db"))
	defer d.Close()
	disk.from(func(_ int, c faultvfs.Call) faultvfs.Verdict {
		if c.Op == faultvfs.Write {
			return faultvfs.Verdict{Code: lib.SQLITE_FULL}
		}
		return faultvfs.Verdict{}
	})
	if _, err := apply(d, create(1)); err == nil || !errors.Is(err, persist.ErrUnavailable) && !errors.Is(err, persist.ErrUnknown) {
		t.Fatalf("Apply: %v", err)
	}
	disk.from(nil)
	must(t, d, create(1))
}

// Each I/O call of a short script fails once, with every kind of error, before or after it took
// effect. Nothing acknowledged may be lost or undone, either at once or after a restart. The
// store must recover without a restart. internal/faults tries every call.
func TestApplyIsNotUndoneByAnyFault(t *testing.T) { // D10, D9, R4
	disk := newDisk(t)
	dir := t.TempDir()
	const step = 5
	injected := 0
	for i, v := range []faultvfs.Verdict{
		{Code: lib.SQLITE_IOERR_FSYNC}, {Code: lib.SQLITE_IOERR_WRITE, Do: true}, {Code: lib.SQLITE_FULL}, {Code: lib.SQLITE_IOERR_READ},
	} {
		for at := i; ; at += step { // each error starts at other calls
			hit := false
			path := filepath.Join(dir, fmt.Sprintf("%d-%d.db", i, at))
			d := disk.open(t, path)
			disk.from(func(n int, _ faultvfs.Call) faultvfs.Verdict {
				if n == at {
					hit = true
					return v
				}
				return faultvfs.Verdict{}
			})
			want := script(t, d)
			disk.from(nil)
			check(t, d, want, fmt.Sprintf("fault %d at call %d", i, at))
			if err := d.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			d = disk.open(t, path)
			check(t, d, want, fmt.Sprintf("fault %d at call %d, reopened", i, at))
			if err := d.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			if !hit {
				break
			}
			injected++
		}
	}
	t.Logf("%d faults", injected)
}

// script creates, touches and destroys sessions, retries what fails, and returns which sessions
// must exist.
func script(t *testing.T, d *sqlite.DB) map[int]bool {
	t.Helper()
	want := map[int]bool{}
	retry := func(b persist.Batch) {
		for range 3 {
			if _, err := d.Apply(context.Background(), &b); err == nil {
				return
			} else if !errors.Is(err, persist.ErrUnavailable) && !errors.Is(err, persist.ErrUnknown) {
				t.Fatalf("Apply: %v", err)
			}
		}
		t.Fatal("it does not recover")
	}
	for n := range 6 {
		retry(persist.Batch{Now: benchNow, Ops: []persist.Op{create(n)}})
		want[n] = true
		retry(persist.Batch{Now: benchNow, Touches: []persist.Touch{{Ref: sample(n).Ref(), LastActive: benchNow + 1, ExpiresAt: benchNow + 2}}})
		if n%2 == 1 {
			retry(persist.Batch{Now: benchNow, Ops: []persist.Op{destroy(n), destroy(n - 1)}})
			want[n], want[n-1] = false, false
		}
		_, _ = d.ByID(context.Background(), sample(n).ID)
	}
	return want
}

func check(t *testing.T, d *sqlite.DB, want map[int]bool, when string) {
	t.Helper()
	for n, there := range want {
		if exists(t, d, n) != there {
			t.Fatalf("%s: session %d exists: %v, want %v", when, n, !there, there)
		}
	}
}
