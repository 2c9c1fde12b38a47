package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// A cleaner of temporary files deletes the lock file.
func TestLockHoldsAfterItsFileIsRemoved(t *testing.T) { // D24
	path := filepath.Join(t.TempDir(), "s.db")
	if arg, isChild := os.LookupEnv("SQLITE_TEST_CHILD"); isChild {
		refused(t, arg)
		return
	}
	d := open(t, path)
	ok(t, os.Remove(path+".lock"))
	refused(t, path)
	if runtime.GOOS == "linux" {
		child(t, path)
	}
	must(t, d, create(1))
	d.Look(new(resets))
	if b, err := os.ReadFile(path + ".lock"); err != nil || len(b) == 0 {
		t.Errorf("the lock file was not made again: %q, %v", b, err)
	}
	if err := refused(t, path); strings.Contains(err.Error(), "unknown") {
		t.Error("it does not name the pid")
	}
}

// A store under the second name would use its own WAL.
func TestLockHoldsForASecondNameOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	if arg, isChild := os.LookupEnv("SQLITE_TEST_CHILD"); isChild {
		refused(t, arg)
		return
	}
	d := open(t, path)
	must(t, d, create(1))
	ok(t, os.Link(path, path+".link"))
	refused(t, path+".link")
	if runtime.GOOS == "linux" {
		child(t, path+".link")
	}
	if _, err := os.Stat(path + ".link.lock"); err == nil {
		t.Error("a lock file was left beside it")
	}
	run(t, raw(t, path), `SELECT 1`)
	must(t, d, create(2))
}

// POSIX locks belong to the process, and closing a file drops all of them. Then another program
// could get exclusive access.
func TestLockHoldsAfterARefusedOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	if arg, isChild := os.LookupEnv("SQLITE_TEST_CHILD"); isChild {
		err := sqlitex.ExecuteTransient(raw(t, arg), `PRAGMA journal_mode = DELETE`, nil)
		if zombie.ErrCode(err).ToPrimary() != zombie.ResultBusy {
			t.Errorf("alone with the file: %v", err)
		}
		return
	}
	d := open(t, path)
	must(t, d, create(1))
	ok(t, os.Link(path, path+".link"))
	refused(t, path+".link")
	child(t, path)
}

// In a directory that others can write to, somebody may place links beside the file before it
// is opened.
func TestLockFileThatIsALinkIsNotWritten(t *testing.T) {
	const content = "do not touch"
	for _, suffix := range []string{".lock", "-wal", "-shm", "-journal"} {
		for name, link := range map[string]func(from, to string) error{"symbolic": os.Symlink, "hard": os.Link} {
			for _, there := range []bool{false, true} {
				t.Run(suffix+" "+name, func(t *testing.T) {
					dir := t.TempDir()
					path, victim := filepath.Join(dir, "s.db"), filepath.Join(dir, "victim")
					if there {
						ok(t, open(t, path).Close())
						_ = os.Remove(path + suffix)
					}
					ok(t, os.WriteFile(victim, []byte(content), 0o600), os.Chmod(victim, 0o644), link(victim, path+suffix))
					_, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
					if !errors.Is(err, persist.ErrReadOnly) || !strings.Contains(err.Error(), suffix) {
						t.Errorf("Open: %v", err)
					}
					info, err := os.Stat(victim)
					ok(t, err)
					if b, err := os.ReadFile(victim); err != nil || string(b) != content || info.Mode().Perm() != 0o644 {
						t.Errorf("it has %q, mode %o, %v", b, info.Mode().Perm(), err)
					}
					ok(t, os.Remove(path+suffix))
					must(t, open(t, path), create(1))
				})
			}
		}
	}
}

func TestLockIsReleasedByCloseAndByAFailedOpen(t *testing.T) { // D30
	path := filepath.Join(t.TempDir(), "s.db")
	for range 3 {
		d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := sqlite.Open(ctx, sqlite.Config{Path: path}); !errors.Is(err, context.Canceled) {
			t.Fatalf("Open with an ended context: %v", err)
		}
	}
}

func TestLockIsOneForTwoNamesOfAFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "s.db"), filepath.Join(dir, "link.db")
	open(t, path)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(context.Background(), sqlite.Config{Path: link}); !errors.Is(err, persist.ErrLocked) {
		t.Fatalf("Open: %v", err)
	}
}

// The link may exist first, and the file is created through it.
func TestLockIsOneForALinkAndTheFileThatItMakes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.db")
	for from, to := range map[string]string{link: "second.db", filepath.Join(dir, "second.db"): filepath.Join("data", "s.db")} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, link)
	if _, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(dir, "data", "s.db")}); !errors.Is(err, persist.ErrLocked) {
		t.Fatalf("Open: %v", err)
	}
	must(t, d, create(1))
	if d.Inspect().WALBytes == 0 {
		t.Error("the WAL is looked for elsewhere")
	}
}

// refused opens a file that is in use.
func refused(t *testing.T, path string) error {
	t.Helper()
	start := time.Now()
	_, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if !errors.Is(err, persist.ErrLocked) {
		t.Fatalf("Open: %v", err)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("it took %v", d)
	}
	t.Log(err)
	return err
}
