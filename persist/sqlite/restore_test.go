package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// copies returns backups of a store with the sessions 1 to 3, made in every supported way.
func copies(t *testing.T, path string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	to := func(name string) string { return filepath.Join(dir, name) }
	copyFile := func(from, to string) {
		b, err := os.ReadFile(from)
		ok(t, err, os.WriteFile(to, b, 0o600))
	}
	d := open(t, path)
	must(t, d, create(1), create(2), create(3))
	ok(t, d.Backup(context.Background(), to("Backup")))
	copyFile(pageByPage(t, path), to("page by page"))
	ok(t, d.Close())
	copyFile(path, to("cp when closed"))
	d = open(t, path)
	must(t, d, create(4)) // starts another WAL
	ok(t, d.Close())
	return map[string]string{"Backup": to("Backup"), "page by page": to("page by page"), "cp when closed": to("cp when closed")}
}

// pageByPage copies a store including its WAL, like sqlite3's .backup.
func pageByPage(t *testing.T, path string) string {
	t.Helper()
	copied := copyOf(t, path)
	c := raw(t, copied)
	run(t, c, "SELECT count(*) FROM session")
	ok(t, c.Close())
	return copied
}

// restoreNow is the time of a restore.
var restoreNow = persist.RestoreOptions{Now: benchNow}

func TestRestoreWorksWhereABackupWasCopiedOverAKilledStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	backups := copies(t, path)
	d := open(t, path)
	must(t, d, create(5), create(6), destroy(1))
	backups["Backup since the last checkpoint"] = filepath.Join(t.TempDir(), "late")
	ok(t, d.Backup(context.Background(), backups["Backup since the last checkpoint"]))
	must(t, d, create(7), destroy(2))
	for name, backup := range backups {
		t.Run(name, func(t *testing.T) {
			killed := copyOf(t, path)
			b, err := os.ReadFile(backup)
			ok(t, err, os.WriteFile(killed, b, 0o600))
			_, err = sqlite.Open(context.Background(), sqlite.Config{Path: killed})
			if !errors.Is(err, persist.ErrForeignWAL) || !strings.Contains(err.Error(), "Restore") {
				t.Fatalf("Open: %v", err)
			}
			r, err := sqlite.Restore(context.Background(), backup, killed, restoreNow)
			if err != nil {
				t.Fatal(err)
			}
			if !errors.Is(r.Unread, persist.ErrForeignWAL) || r.Kept == "" {
				t.Errorf("it says %+v", r)
			}
			again := open(t, killed)
			if exists(t, again, 7) || !exists(t, again, 2) || !exists(t, again, 3) {
				t.Error("it is not the backup")
			}
			must(t, again, create(100))
		})
	}
}

func TestRestoreReportsWhatItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	backups := copies(t, path)
	d := open(t, path)
	rotated := create(3).Record
	must(t, d, create(5), create(6), destroy(1), persist.Op{
		Kind: persist.OpRotate, Ref: rotated.Ref(), From: rotated.Hash, To: persist.Hash{9},
	})
	killed := copyOf(t, path)
	r, err := sqlite.Restore(context.Background(), backups["Backup"], killed, restoreNow)
	if err != nil {
		t.Fatal(err)
	}
	if r.Made == 0 || r.Sessions != 3 || r.Revived != 1 || r.Lost != 3 || r.Rotated != 1 || r.Unread != nil {
		t.Errorf("it says %+v", r)
	}
	kept := open(t, r.Kept)
	if !exists(t, kept, 5) || exists(t, kept, 1) {
		t.Error("the file that was replaced is not whole")
	}
	again := open(t, killed)
	if !exists(t, again, 1) || exists(t, again, 5) || again.Inspect().Warning != "" {
		t.Error("it is not the backup")
	}
	_, err = sqlite.Restore(context.Background(), backups["Backup"], killed, restoreNow)
	if !errors.Is(err, persist.ErrLocked) {
		t.Errorf("over a store that runs: %v", err)
	}
	fresh := filepath.Join(t.TempDir(), "new.db")
	if r, err = sqlite.Restore(context.Background(), backups["page by page"], fresh, restoreNow); err != nil || r.Kept != "" || r.Made != 0 {
		t.Errorf("where there is nothing: %+v, %v", r, err)
	}
	if !exists(t, open(t, fresh), 1) {
		t.Error("it lacks a session")
	}
}

func TestRestoreRefusesAFileThatIsNotABackupAndChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	backups := copies(t, path)
	whole, err := os.ReadFile(backups["Backup"])
	ok(t, err)
	for name, spoil := range map[string]func(string){
		"text":      func(p string) { write(t, p, []byte(strings.Repeat("Dear diary. ", 1000))) },
		"empty":     func(p string) { write(t, p, nil) },
		"cut short": func(p string) { write(t, p, whole[:len(whole)-4096]) },
		"damaged": func(p string) {
			b := append([]byte(nil), whole...)
			copy(b[3*4096:], strings.Repeat("x", 500))
			write(t, p, b)
		},
		"newer": func(p string) { write(t, p, whole); run(t, raw(t, p), "PRAGMA user_version=99") },
		"none":  func(string) {},
	} {
		bad := filepath.Join(t.TempDir(), "bad")
		spoil(bad)
		before := snapshot(t, path)
		_, err := sqlite.Restore(context.Background(), bad, path, restoreNow)
		if !errors.Is(err, persist.ErrNotStore) && !errors.Is(err, persist.ErrNewer) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if after := snapshot(t, path); string(after[0]) != string(before[0]) {
			t.Errorf("%s: the file has changed", name)
		}
		if left, err := filepath.Glob(path + ".restoring*"); err != nil || len(left) > 0 {
			t.Errorf("%s: it has left %v", name, left)
		}
	}
	if _, err := sqlite.Restore(context.Background(), path, path, restoreNow); err == nil {
		t.Error("a file was restored from itself")
	}
}

// The damaged file is kept, but it cannot be compared.
func TestRestoreWorksOverADamagedStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	backups := copies(t, path)
	write(t, path, []byte(strings.Repeat("lightning ", 1000)))
	r, err := sqlite.Restore(context.Background(), backups["Backup"], path, restoreNow)
	if err != nil || r.Unread == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if b, err := os.ReadFile(r.Kept); err != nil || !strings.HasPrefix(string(b), "lightning") {
		t.Errorf("the damaged file was not kept: %v", err)
	}
	if !exists(t, open(t, path), 1) {
		t.Error("it is not the backup")
	}
}
