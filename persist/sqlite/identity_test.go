package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// resets counts what a Look tells.
type resets []string

func (r *resets) Reset(reason string)      { *r = append(*r, reason) }
func (*resets) Invalidate([]persist.Event) {}
func (*resets) Fresh(time.Duration)        {}

// started opens a file in a directory of its own, which the test spoils: Close may fail.
func started(t *testing.T) (*sqlite.DB, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s.db")
	d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	must(t, d, create(1), create(2))
	return d, path
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// refusesAll fails unless a commit is refused because of the file, and the health tells.
func refusesAll(t *testing.T, d *sqlite.DB) {
	t.Helper()
	_, err := apply(d, destroy(1))
	if !errors.Is(err, persist.ErrReplaced) || !errors.Is(err, persist.ErrUnavailable) && !errors.Is(err, persist.ErrUnknown) {
		t.Errorf("Apply: %v", err)
	}
	if err := d.Inspect().Failed; !errors.Is(err, persist.ErrReplaced) {
		t.Errorf("Inspect: %v", err)
	}
}

// copyFile writes what is in one file over another, as cp does.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	ok(t, err, os.WriteFile(to, b, 0o600))
}

// TestAFileThatIsNotAtItsPathTakesNoCommit (D27): what would be acknowledged would be gone
// after a restart. When the file is back, everything goes on.
func TestAFileThatIsNotAtItsPathTakesNoCommit(t *testing.T) {
	for name, c := range map[string]struct{ take, back func(path string) error }{
		"removed": {os.Remove, nil},
		"replaced": {func(path string) error {
			return errors.Join(os.Link(path, path+".kept"), os.WriteFile(path+".new", []byte("x"), 0o600), os.Rename(path+".new", path))
		}, func(path string) error { return os.Rename(path+".kept", path) }},
		"moved": {
			func(path string) error { return os.Rename(path, path+".away") },
			func(path string) error { return os.Rename(path+".away", path) },
		},
		"replaced by a link to it": { // which has another WAL
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
				if err := d.Close(); !errors.Is(err, persist.ErrReplaced) {
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

// TestALinkThatLeadsElsewhereTakesNoCommit: the next start would follow it.
func TestALinkThatLeadsElsewhereTakesNoCommit(t *testing.T) {
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

// grown makes the WAL long enough to be written back into the file.
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

// TestAFileThatIsOverwrittenIsLost: its inode is the same, and nothing that is in it can be
// trusted, whatever happens to it later. It is not written any more.
func TestAFileThatIsOverwrittenIsLost(t *testing.T) {
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
			must(t, d, destroy(2), create(9000)) // in the WAL alone
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
			if err := d.Close(); !errors.Is(err, persist.ErrReplaced) {
				t.Errorf("Close: %v", err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, spoiled) {
				t.Errorf("the file was written after that, %v", err)
			}
		})
	}
}

// touched writes enough for a checkpoint and adds nothing: the size stays, and the header.
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

// TestAFileThatIsTakenAwayDuringACommitTakesNothing: what is at the path counts when the
// commit is acknowledged, not when it began.
func TestAFileThatIsTakenAwayDuringACommitTakesNothing(t *testing.T) {
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
			if _, err := apply(d, destroy(1)); !taken || !errors.Is(err, persist.ErrReplaced) || !errors.Is(err, persist.ErrUnknown) {
				t.Errorf("taken %t, Apply: %v", taken, err)
			}
			if err := d.Close(); !errors.Is(err, persist.ErrReplaced) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// TestAFileThatIsOverwrittenDuringACommitIsLost: by what it had before a checkpoint.
func TestAFileThatIsOverwrittenDuringACommitIsLost(t *testing.T) {
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
	if _, err := apply(d, create(3)); !taken || !errors.Is(err, persist.ErrReplaced) || !errors.Is(err, persist.ErrUnknown) {
		t.Errorf("taken %t, Apply: %v", taken, err)
	}
	if err := d.Close(); !errors.Is(err, persist.ErrReplaced) {
		t.Errorf("Close: %v", err)
	}
}

// TestAFileThatIsOverwrittenWhileWritesFailIsNotRepaired: the repair would write to it.
func TestAFileThatIsOverwrittenWhileWritesFailIsNotRepaired(t *testing.T) {
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

// TestAnotherProgramMayCheckpointBesideAReader: it writes only what has not changed since
// the reader began.
func TestAnotherProgramMayCheckpointBesideAReader(t *testing.T) {
	for _, mode := range []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"} {
		for name, first := range map[string]func(t *testing.T, d *sqlite.DB, other *zombie.Conn){
			"for the first time": func(*testing.T, *sqlite.DB, *zombie.Conn) {},
			"after one": func(t *testing.T, _ *sqlite.DB, c *zombie.Conn) {
				t.Helper()
				run(t, c, `PRAGMA wal_checkpoint(TRUNCATE)`)
			},
			"after one that a commit has noticed": func(t *testing.T, d *sqlite.DB, c *zombie.Conn) {
				t.Helper()
				run(t, c, `PRAGMA wal_checkpoint(TRUNCATE)`)
				must(t, d, create(10))
			},
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				d, path := started(t)
				reader, other := raw(t, path), raw(t, path)
				other.SetBusyTimeout(0)
				first(t, d, other)
				must(t, d, create(11))
				ok(t, sqlitex.ExecuteTransient(reader, `BEGIN`, nil), sqlitex.ExecuteTransient(reader, `SELECT count(*) FROM session`, nil))
				must(t, d, create(12), create(13))
				run(t, other, `PRAGMA wal_checkpoint(`+mode+`)`)
				must(t, d, create(14))
				ok(t, d.Inspect().Failed, sqlitex.ExecuteTransient(reader, `COMMIT`, nil))
				run(t, other, `PRAGMA wal_checkpoint(`+mode+`)`)
				must(t, d, create(15))
				ok(t, d.Inspect().Failed, reader.Close(), other.Close(), d.Close())
				if d := open(t, path); !exists(t, d, 12) || !exists(t, d, 15) {
					t.Error("what was acknowledged is not there")
				}
			})
		}
	}
}

// TestAFileThatIsRestoredByACommitIsOurs: the sqlite3 shell's .restore writes a backup as a
// transaction, and the mark of the backup with it.
func TestAFileThatIsRestoredByACommitIsOurs(t *testing.T) {
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

// TestAWALThatIsOverwrittenIsNoticed: what was acknowledged is in it alone.
func TestAWALThatIsOverwrittenIsNoticed(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, d *sqlite.DB, wal string){
		"cut":     func(t *testing.T, _ *sqlite.DB, wal string) { t.Helper(); ok(t, os.Truncate(wal, 4096)) },
		"emptied": func(t *testing.T, _ *sqlite.DB, wal string) { t.Helper(); ok(t, os.Truncate(wal, 0)) },
		"by an older one": func(t *testing.T, d *sqlite.DB, wal string) {
			t.Helper()
			copyFile(t, wal, wal+".old")
			must(t, d, create(3))
			copyFile(t, wal+".old", wal)
		},
		"by another one": func(t *testing.T, _ *sqlite.DB, wal string) {
			t.Helper()
			other, path := started(t)
			must(t, other, create(4), create(5))
			must(t, other, create(6))
			copyFile(t, path+"-wal", wal)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, path := started(t)
			spoil(t, d, path+"-wal")
			refusesAll(t, d)
		})
	}
}

// TestAWALThatIsTakenAwayIsSaved: the connections still have it.
func TestAWALThatIsTakenAwayIsSaved(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"the WAL removed":   func(path string) error { return os.Remove(path + "-wal") },
		"its index removed": func(path string) error { return os.Remove(path + "-shm") },
		"both removed":      func(path string) error { return errors.Join(os.Remove(path+"-wal"), os.Remove(path+"-shm")) },
		"the WAL replaced": func(path string) error {
			return errors.Join(os.Remove(path+"-wal"), os.WriteFile(path+"-wal", nil, 0o600))
		},
		"its index replaced": func(path string) error {
			return errors.Join(os.Remove(path+"-shm"), os.WriteFile(path+"-shm", nil, 0o600))
		},
	} {
		for when, first := range map[string]func(t *testing.T, d *sqlite.DB){
			"by the next commit": func(t *testing.T, d *sqlite.DB) { t.Helper(); must(t, d, destroy(1)) },
			"by the next look":   func(_ *testing.T, d *sqlite.DB) { d.Look(new(resets)) },
		} {
			t.Run(name+" "+when, func(t *testing.T) {
				d, path := started(t)
				exists(t, d, 2)
				ok(t, take(path))
				first(t, d)
				killed := open(t, copyOf(t, path))
				if !exists(t, killed, 2) {
					t.Error("it is not saved")
				}
				if i := d.Inspect(); i.Failed != nil {
					t.Errorf("Inspect: %v", i.Failed)
				}
				must(t, d, create(3))
				if !exists(t, d, 3) || !exists(t, d, 2) {
					t.Error("it is not read")
				}
				ok(t, d.Close())
				if d := open(t, path); !exists(t, d, 3) || !exists(t, d, 2) {
					t.Error("what was acknowledged is not there")
				}
			})
		}
	}
}

// TestAWALThatComesBackIsNotTaken: it was moved away, and is put where it was while the
// store makes another one. What it has is older than the file.
func TestAWALThatComesBackIsNotTaken(t *testing.T) {
	for name, when := range map[string]faultvfs.Op{"before it is opened": faultvfs.Open, "while it is read": faultvfs.Lock} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk(t)
			path := filepath.Join(t.TempDir(), "s.db")
			d := disk.open(t, path)
			must(t, d, create(1), create(2))
			ok(t, os.Rename(path+"-wal", path+"-wal.old"))
			must(t, d, destroy(1), create(3))
			ok(t, os.Remove(path+"-wal"))
			opened, back := false, false
			disk.from(func(_ int, c faultvfs.Call) (v faultvfs.Verdict) {
				opened = opened || c.Op == faultvfs.Open && c.Path == path+"-wal"
				if opened && !back && c.Op == when {
					back = true
					ok(t, os.Rename(path+"-wal.old", path+"-wal"))
				}
				return v
			})
			for n := range 3 {
				if _, err := apply(d, create(10+n)); err != nil && !errors.Is(err, persist.ErrReplaced) {
					t.Errorf("Apply: %v", err)
				}
			}
			must(t, d, create(4))
			if !back || exists(t, d, 1) || !exists(t, d, 3) || !exists(t, d, 4) {
				t.Errorf("it came back %t, and what was acknowledged is not read", back)
			}
			ok(t, d.Inspect().Failed, d.Close())
			if d := open(t, path); exists(t, d, 1) || !exists(t, d, 3) || !exists(t, d, 4) {
				t.Error("what was acknowledged is not there")
			}
		})
	}
}

// TestAnotherProgramMayUseTheFile: an operator's, who looks, writes or tidies up. What it
// may have changed is read anew, and the health tells.
func TestAnotherProgramMayUseTheFile(t *testing.T) {
	sql := func(statements ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			c := raw(t, path)
			for _, s := range statements {
				ok(t, sqlitex.ExecuteTransient(c, s, nil))
			}
			ok(t, c.Close())
		}
	}
	for _, c := range []struct {
		name   string
		do     func(t *testing.T, path string)
		resets int
	}{
		{"reads", sql(`SELECT count(*) FROM session`), 0},
		{"writes", sql(`UPDATE session SET user_id = 'x'`), 1},
		{"rolls back", sql(`BEGIN`, `UPDATE session SET user_id = 'x'`, `ROLLBACK`), 0},
		{"checkpoints", sql(`PRAGMA wal_checkpoint(PASSIVE)`), 1},
		{"empties the WAL", sql(`PRAGMA wal_checkpoint(TRUNCATE)`), 1},
		{"vacuums", sql(`DELETE FROM session`, `VACUUM`, `PRAGMA wal_checkpoint(TRUNCATE)`), 1},
		{"touches", func(t *testing.T, path string) { t.Helper(); now := time.Now(); ok(t, os.Chtimes(path, now, now)) }, 1},
		{"changes the mode", func(t *testing.T, path string) { t.Helper(); ok(t, os.Chmod(path, 0o640)) }, 0},
		{"links", func(t *testing.T, path string) { t.Helper(); ok(t, os.Link(path, path+".link")) }, 0},
	} {
		for when, first := range map[string]func(d *sqlite.DB) error{
			"noticed by a commit": func(d *sqlite.DB) error { _, err := apply(d, destroy(1)); return err },
			"noticed by a look":   func(d *sqlite.DB) error { return d.Inspect().Failed },
		} {
			t.Run(c.name+" "+when, func(t *testing.T) {
				d, path := started(t)
				grown(t, d)
				must(t, d, create(8000))
				c.do(t, path)
				ok(t, first(d))
				var told resets
				if d.Look(&told); len(told) != c.resets {
					t.Errorf("told %q, want %d", told, c.resets)
				}
				i := d.Inspect()
				if i.Failed != nil || (i.Warning != "") != (c.resets > 0) {
					t.Errorf("failed %v, warning %q", i.Failed, i.Warning)
				}
				for range 100 {
					d.Look(&told)
				}
				if len(told) > c.resets || d.Inspect().Warning != "" {
					t.Errorf("told %q, warning %q", told, d.Inspect().Warning)
				}
				must(t, d, create(9000))
				ok(t, d.Close())
			})
		}
	}
}
