package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	zombie "zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// refusesAll fails the test unless a commit is refused because of the file and Inspect reports it.
func refusesAll(t *testing.T, d *sqlite.DB) {
	t.Helper()
	_, err := apply(d, destroy(1))
	if !errors.Is(err, persist.ErrFileReplaced) || !errors.Is(err, persist.ErrUnavailable) && !errors.Is(err, persist.ErrUnknown) {
		t.Errorf("Apply: %v", err)
	}
	if err := d.Inspect().Failed; !errors.Is(err, persist.ErrFileReplaced) {
		t.Errorf("Inspect: %v", err)
	}
}

// A commit to such a file would be lost at the next start. When the file is back, the store
// continues.
func TestIdentityRefusesACommitToAFileThatIsNotAtItsPath(t *testing.T) { // D27
	for name, c := range map[string]struct{ take, back func(path string) error }{
		"removed": {os.Remove, nil},
		"replaced": {func(path string) error {
			return errors.Join(os.Link(path, path+".kept"), os.WriteFile(path+".new", []byte("x"), 0o600), os.Rename(path+".new", path))
		}, func(path string) error { return os.Rename(path+".kept", path) }},
		"moved": {
			func(path string) error { return os.Rename(path, path+".away") },
			func(path string) error { return os.Rename(path+".away", path) },
		},
		"replaced by a link to it": { // and would use another WAL
			func(path string) error {
				return errors.Join(os.Rename(path, path+".away"), os.Symlink("s.db.away", path))
			},
			func(path string) error { return os.Rename(path+".away", path) },
		},
		"its directory moved": {
			func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+".away") },
			func(path string) error { return os.Rename(filepath.Dir(path)+".away", filepath.Dir(path)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, path := started(t)
			ok(t, c.take(path))
			refusesAll(t, d)
			var told resets
			if d.Look(&told); len(told) != 1 {
				t.Errorf("told %q", told)
			}
			if c.back == nil {
				if err := d.Close(); !errors.Is(err, persist.ErrFileReplaced) {
					t.Errorf("Close: %v", err)
				}
				return
			}
			ok(t, c.back(path))
			must(t, d, destroy(1))
			if d.Look(&told); len(told) != 2 {
				t.Errorf("told %q", told)
			}
			if i := d.Inspect(); i.Failed != nil {
				t.Errorf("Inspect: %v", i.Failed)
			}
			ok(t, d.Close())
			if d := open(t, path); exists(t, d, 1) || !exists(t, d, 2) {
				t.Error("what was acknowledged is not there")
			}
		})
	}
}

// The next start would follow the link to the other file.
func TestIdentityRefusesACommitBehindALinkThatLeadsElsewhere(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link.db")
	ok(t, os.Symlink("a.db", link))
	d, err := sqlite.Open(context.Background(), sqlite.Config{Path: link})
	ok(t, err)
	defer d.Close()
	must(t, d, create(1))
	ok(t, os.Remove(link), os.Symlink("b.db", link))
	refusesAll(t, d)
}

// grown makes the WAL long enough for a checkpoint.
func grown(t *testing.T, d *sqlite.DB) { t.Helper(); grownFrom(t, d, 1000) }

func grownFrom(t *testing.T, d *sqlite.DB, n int) {
	t.Helper()
	for range 4 {
		var ops []persist.Op
		for range 1500 {
			ops = append(ops, create(n))
			n++
		}
		must(t, d, ops...)
	}
}

// The inode is the same, but the content cannot be trusted any more, whatever happens to the
// file later. The store no longer writes to it.
func TestIdentityOfAnOverwrittenFileIsLost(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, d *sqlite.DB, path string){
		"by a backup": func(t *testing.T, d *sqlite.DB, path string) {
			t.Helper()
			ok(t, d.Backup(context.Background(), path+".bak"))
			copyFile(t, path+".bak", path)
		},
		"by a copy from before the last checkpoint": func(t *testing.T, d *sqlite.DB, path string) {
			t.Helper()
			touched(t, d, path)
			copyFile(t, path, path+".old")
			touched(t, d, path)
			must(t, d, destroy(2), create(9000)) // only in the WAL
			copyFile(t, path+".old", path)
		},
		"by a backup of another tool from before the last checkpoint": func(t *testing.T, d *sqlite.DB, path string) {
			t.Helper()
			must(t, d, create(40_000))
			copied := pageByPage(t, path)
			must(t, d, create(40_001))
			c := raw(t, path)
			run(t, c, `PRAGMA wal_checkpoint(TRUNCATE)`)
			ok(t, c.Close())
			copyFile(t, copied, path)
		},
		"by such a backup from before a checkpoint that was noticed": func(t *testing.T, d *sqlite.DB, path string) {
			t.Helper()
			must(t, d, create(40_000))
			copied := pageByPage(t, path)
			must(t, d, create(40_001))
			c := raw(t, path)
			run(t, c, `PRAGMA wal_checkpoint(TRUNCATE)`)
			ok(t, c.Close())
			must(t, d, create(40_002))
			copyFile(t, copied, path)
		},
		"by an empty file": func(t *testing.T, _ *sqlite.DB, path string) { t.Helper(); ok(t, os.Truncate(path, 0)) },
		"by its beginning": func(t *testing.T, d *sqlite.DB, path string) {
			t.Helper()
			ok(t, os.Truncate(path, 64<<10))
		},
		"by its beginning, when the WAL has just been emptied": func(t *testing.T, d *sqlite.DB, path string) {
			t.Helper()
			before, err := os.Stat(path)
			ok(t, err)
			var ops []persist.Op
			for n := range 200 {
				ops = append(ops, create(30_000+n))
			}
			must(t, d, ops...)
			c := raw(t, path)
			run(t, c, `PRAGMA wal_checkpoint(TRUNCATE)`)
			after, err := os.Stat(path)
			ok(t, err, c.Close(), os.Truncate(path, after.Size()-4096))
			if after.Size()-4096 < before.Size() {
				t.Fatal("the file has not grown")
			}
		},
		"by an empty file, when the WAL has just been emptied": func(t *testing.T, _ *sqlite.DB, path string) {
			t.Helper()
			c := raw(t, path)
			run(t, c, `PRAGMA wal_checkpoint(TRUNCATE)`)
			ok(t, c.Close(), os.Truncate(path, 0))
		},
		"by zeros": func(t *testing.T, _ *sqlite.DB, path string) {
			t.Helper()
			info, err := os.Stat(path)
			ok(t, err, os.WriteFile(path, make([]byte, info.Size()), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, path := started(t)
			grown(t, d)
			spoil(t, d, path)
			spoiled, err := os.ReadFile(path)
			ok(t, err)
			refusesAll(t, d)
			if _, err := d.ByID(context.Background(), sample(2).ID); !errors.Is(err, persist.ErrUnavailable) {
				t.Errorf("ByID: %v", err)
			}
			var told resets
			if d.Look(&told); len(told) == 0 {
				t.Error("nothing was told")
			}
			if err := d.Close(); !errors.Is(err, persist.ErrFileReplaced) {
				t.Errorf("Close: %v", err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, spoiled) {
				t.Errorf("the file was written after that, %v", err)
			}
		})
	}
}

// touched writes enough for a checkpoint without changing the file's size or header.
func touched(t *testing.T, d *sqlite.DB, path string) {
	t.Helper()
	before, err := os.Stat(path)
	ok(t, err)
	for i := range 200 {
		b := persist.Batch{Now: benchNow}
		for n := range 1500 {
			b.Touches = append(b.Touches, persist.Touch{Ref: sample(1000 + n).Ref(), LastActive: benchNow + int64(i), ExpiresAt: benchNow + 1<<40})
		}
		if _, err := d.Apply(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		if now, err := os.Stat(path); err == nil && !now.ModTime().Equal(before.ModTime()) {
			return
		}
	}
	t.Fatal("there was no checkpoint")
}

// The file at the path counts at the time of the acknowledgement, not when the commit began.
func TestIdentityRefusesACommitDuringWhichTheFileIsMoved(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"moved":       func(path string) error { return os.Rename(path, path+".away") },
		"overwritten": func(path string) error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk(t)
			path := filepath.Join(t.TempDir(), "s.db")
			d := disk.open(t, path)
			must(t, d, create(1))
			taken := false
			disk.from(func(_ int, c faultvfs.Call) (v faultvfs.Verdict) {
				if c.Op == faultvfs.Sync && !taken {
					taken = true
					ok(t, take(path))
				}
				return v
			})
			if _, err := apply(d, destroy(1)); !taken || !errors.Is(err, persist.ErrFileReplaced) || !errors.Is(err, persist.ErrUnknown) {
				t.Errorf("taken %t, Apply: %v", taken, err)
			}
			if err := d.Close(); !errors.Is(err, persist.ErrFileReplaced) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// The store detects it by the mark that the file had before a checkpoint.
func TestIdentityOfAFileThatIsOverwrittenDuringACommitIsLost(t *testing.T) {
	disk := newDisk(t)
	path := filepath.Join(t.TempDir(), "s.db")
	d := disk.open(t, path)
	must(t, d, create(1))
	copied := pageByPage(t, path)
	must(t, d, create(2))
	c := raw(t, path)
	run(t, c, `PRAGMA wal_checkpoint(TRUNCATE)`)
	ok(t, c.Close())
	taken := false
	disk.from(func(_ int, c faultvfs.Call) (v faultvfs.Verdict) {
		if c.Op == faultvfs.Sync && !taken {
			taken = true
			copyFile(t, copied, path)
		}
		return v
	})
	if _, err := apply(d, create(3)); !taken || !errors.Is(err, persist.ErrFileReplaced) || !errors.Is(err, persist.ErrUnknown) {
		t.Errorf("taken %t, Apply: %v", taken, err)
	}
	if err := d.Close(); !errors.Is(err, persist.ErrFileReplaced) {
		t.Errorf("Close: %v", err)
	}
}

// A repair would write to the file.
func TestIdentityOfAFileThatIsOverwrittenWhileWritesFailIsNotRepaired(t *testing.T) {
	disk := newDisk(t)
	path := filepath.Join(t.TempDir(), "s.db")
	d := disk.open(t, path)
	grown(t, d)
	ok(t, d.Backup(context.Background(), path+".bak"))
	must(t, d, create(1))
	disk.from(func(_ int, c faultvfs.Call) (v faultvfs.Verdict) {
		if c.Op == faultvfs.Write {
			v.Code = faultvfs.WriteFails
		}
		return v
	})
	if _, err := apply(d, destroy(1)); err == nil {
		t.Fatal("it was written")
	}
	copyFile(t, path+".bak", path)
	disk.from(nil)
	refusesAll(t, d)
	_ = d.Close()
	want, err := os.ReadFile(path + ".bak")
	ok(t, err)
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, want) {
		t.Errorf("it was written to, %v", err)
	}
}

// The sqlite3 shell's .restore writes a backup as a transaction, including the backup's mark.
func TestIdentityAcceptsAFileThatACommitRestored(t *testing.T) {
	d, path := started(t)
	copied := pageByPage(t, path)
	must(t, d, create(3), destroy(1))
	c := raw(t, path)
	run(t, c, `PRAGMA wal_checkpoint(PASSIVE)`)
	must(t, d, create(4))
	from := raw(t, copied)
	backup, err := zombie.NewBackup(c, "main", from, "main")
	ok(t, err)
	_, err = backup.Step(-1)
	ok(t, err, backup.Close(), from.Close())
	run(t, c, `PRAGMA wal_checkpoint(PASSIVE)`)
	ok(t, c.Close())
	if !exists(t, d, 1) || exists(t, d, 3) || exists(t, d, 4) {
		t.Error("it is not the backup")
	}
	must(t, d, create(5))
	grown(t, d)
	ok(t, d.Inspect().Failed, d.Close())
	if d := open(t, path); !exists(t, d, 1) || !exists(t, d, 5) {
		t.Error("what was acknowledged is not there")
	}
}
