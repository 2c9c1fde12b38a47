package sqlite_test

import (
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

// The foreign checkpoint writes only pages that have not changed since the reader began.
func TestIdentityAcceptsAForeignCheckpointBesideAReader(t *testing.T) {
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

// The acknowledged commits are only in the WAL.
func TestIdentityNoticesAnOverwrittenWAL(t *testing.T) {
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

// The connections still have the removed WAL open.
func TestIdentitySavesAWALThatIsRemoved(t *testing.T) {
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

// The WAL was moved away, and is put back while the store creates a new one. Its content is older
// than the file.
func TestIdentityRefusesAWALThatComesBack(t *testing.T) {
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
				if _, err := apply(d, create(10+n)); err != nil && !errors.Is(err, persist.ErrFileReplaced) {
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

// An operator reads, writes or tidies up. The store reads again what may have changed, and its
// health reports it.
func TestIdentityAcceptsForeignUseOfTheFile(t *testing.T) {
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
