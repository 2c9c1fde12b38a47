package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lib "modernc.org/sqlite/lib"
	zombie "zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

func TestBackupWithAnIOErrorIsUnavailable(t *testing.T) { // D26
	disk := newDisk(t)
	dir := t.TempDir()
	d := disk.open(t, filepath.Join(dir, "s.db"))
	defer d.Close()
	must(t, d, create(1))
	disk.from(once(faultvfs.Write, ".partial", faultvfs.Verdict{Code: lib.SQLITE_FULL}))
	err := d.Backup(context.Background(), filepath.Join(dir, "copy.db"))
	if !errors.Is(err, persist.ErrUnavailable) || codeIn(err) != zombie.ResultFull {
		t.Fatalf("Backup: %v", err)
	}
}

// While the disk hangs, a call does not outlast its context. Its work is abandoned when the disk
// responds, and leaves nothing behind.
func TestBackupAndOpenEndWithTheirContextWhileTheDiskHangs(t *testing.T) { // D16
	disk := &disk{VFS: faultvfs.New(t.Name())}
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	hook := func(f func(int, faultvfs.Call) faultvfs.Verdict) {
		disk.Set(func(c faultvfs.Call) faultvfs.Verdict { return f(0, c) }) // not under the lock of disk, so that other calls continue
	}
	d := disk.open(t, path)
	fill(t, d, 100)
	stop, hangs, free := hang(faultvfs.Write, ".partial")
	hook(stop)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-hangs; cancel() }()
	if err := d.Backup(ctx, filepath.Join(dir, "copy.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("Backup: %v", err)
	}
	close(free)
	ok(t, d.Close())
	if left, err := filepath.Glob(filepath.Join(dir, "copy.db*")); err != nil || len(left) > 0 {
		t.Errorf("it has left %v, %v", left, err)
	}
	stop, hangs, free = hang(faultvfs.Open, "s.db")
	hook(stop)
	ctx, cancel = context.WithCancel(context.Background())
	go func() { <-hangs; cancel() }()
	if _, err := sqlite.Open(ctx, sqlite.Config{Path: path, VFS: disk.Name}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	if _, err := sqlite.Open(context.Background(), sqlite.Config{Path: path}); !errors.Is(err, persist.ErrLocked) {
		t.Errorf("while the first one hangs: %v", err)
	}
	close(free)
	for began := time.Now(); ; {
		d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
		if err == nil {
			ok(t, d.Close())
			return
		}
		if !errors.Is(err, persist.ErrLocked) || time.Since(began) > 10*time.Second {
			t.Fatalf("when the disk goes on: %v", err)
		}
	}
}

// A copy is synced after its last byte is written and before it gets its name.
func TestBackupIsSynced(t *testing.T) { // D26
	disk := newDisk(t)
	dir := t.TempDir()
	d := disk.open(t, filepath.Join(dir, "s.db"))
	defer d.Close()
	fill(t, d, 100)
	disk.from(nil)
	ok(t, d.Backup(context.Background(), filepath.Join(dir, "copy.db")))
	written, synced := -1, -1
	for i, c := range disk.trace() {
		if strings.HasSuffix(c.Path, ".partial") {
			switch c.Op {
			case faultvfs.Write, faultvfs.Truncate:
				written = i
			case faultvfs.Sync:
				synced = i
			}
		}
	}
	if written < 0 || synced < written {
		t.Errorf("call %d is the last that writes, and %d the last that syncs", written, synced)
	}
}

func TestBackupToARelativePathWorks(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "s.db"))
	must(t, d, create(1))
	t.Chdir(t.TempDir())
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"copy.db", "sub/copy.db", "./dotted.db"} {
		if err := d.Backup(context.Background(), path); err != nil {
			t.Error(err)
			continue
		}
		if !exists(t, open(t, path), 1) {
			t.Errorf("%s lacks a session", path)
		}
	}
}

// Close cancels a running backup, which would keep the WAL from being emptied and would continue
// without the lock.
func TestCloseEndsABackup(t *testing.T) { // D30
	disk := newDisk(t)
	dir := t.TempDir()
	d := disk.open(t, filepath.Join(dir, "s.db"))
	fill(t, d, 1000)
	copying := make(chan struct{}, 1)
	disk.from(func(_ int, c faultvfs.Call) (v faultvfs.Verdict) {
		if c.Op == faultvfs.Write && strings.HasSuffix(c.Path, ".partial") {
			select {
			case copying <- struct{}{}:
			default:
			}
			v.Delay = 10 * time.Millisecond
		}
		return v
	})
	got := make(chan error, 1)
	go func() { got <- d.Backup(context.Background(), filepath.Join(dir, "copy.db")) }()
	<-copying
	if err := d.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.partial")); err != nil || len(left) > 0 {
		t.Errorf("Close has left %v, %v", left, err)
	}
	if err := <-got; !errors.Is(err, persist.ErrUnavailable) {
		t.Errorf("Backup: %v", err)
	}
	if err := d.Backup(context.Background(), filepath.Join(dir, "later.db")); !errors.Is(err, persist.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}
