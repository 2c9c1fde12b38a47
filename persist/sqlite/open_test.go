package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	lib "modernc.org/sqlite/lib"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

func TestOpenTwiceIsRefusedAtOnceAndNamesThePid(t *testing.T) { // D24
	path := filepath.Join(t.TempDir(), "s.db")
	if arg, ok := os.LookupEnv("SQLITE_TEST_CHILD"); ok {
		refused(t, arg)
		return
	}
	open(t, path)
	pid := fmt.Sprintf("(pid %d)", os.Getpid())
	if err := refused(t, path); !strings.Contains(err.Error(), pid) {
		t.Errorf("in this process: %v, want %s", err, pid)
	}
	if out, _ := child(t, path); !strings.Contains(out, pid) {
		t.Errorf("in the child: %s, want %s", out, pid)
	}
}

func TestOpenRefusesAForeignFileAndLeavesItUntouched(t *testing.T) { // D25
	store := filepath.Join(t.TempDir(), "store.db")
	d, err := sqlite.Open(context.Background(), sqlite.Config{Path: store})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, d, 200)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(at int, with ...byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			b := bytes.Clone(whole)
			copy(b[at:], with)
			write(t, path, b)
		}
	}
	alter := func(sql string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			write(t, path, whole)
			c := raw(t, path)
			run(t, c, sql)
			c.Close()
		}
	}
	for _, c := range []struct {
		name string
		want error
		make func(t *testing.T, path string)
	}{
		{"a newer schema", persist.ErrNewer, alter("PRAGMA user_version=3")},
		{"a newer schema that is only in the WAL", persist.ErrNewer, func(t *testing.T, path string) {
			t.Helper()
			from := filepath.Join(t.TempDir(), "a.db")
			write(t, from, whole)
			run(t, raw(t, from), "PRAGMA user_version=7")
			b := snapshot(t, copyOf(t, from))
			write(t, path, b[0])
			write(t, path+"-wal", b[1])
		}},
		{"another application", persist.ErrNotStore, alter("PRAGMA application_id=1")},
		{"another application without an id", persist.ErrNotStore, func(t *testing.T, path string) {
			t.Helper()
			c := raw(t, path)
			run(t, c, "CREATE TABLE t(x)")
			c.Close()
		}},
		{"another application with a version only", persist.ErrNotStore, func(t *testing.T, path string) {
			t.Helper()
			c := raw(t, path)
			run(t, c, "PRAGMA user_version=3")
			c.Close()
		}},
		{"a text file", persist.ErrNotStore, func(t *testing.T, path string) {
			t.Helper()
			write(t, path, []byte(strings.Repeat("root:x:0:0\n", 100)))
		}},
		{"a short file", persist.ErrNotStore, func(t *testing.T, path string) { t.Helper(); write(t, path, []byte("SQLite")) }},
		{"a directory", persist.ErrNotStore, func(t *testing.T, path string) {
			t.Helper()
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"a pipe", persist.ErrNotStore, func(t *testing.T, path string) {
			t.Helper()
			if err := mkfifo(path); err != nil {
				t.Fatal(err)
			}
		}},
		{"a damaged schema page", persist.ErrNotStore, spoil(100, bytes.Repeat([]byte{0xff}, 1000)...)},
		{"a truncated file", persist.ErrNotStore, func(t *testing.T, path string) { t.Helper(); write(t, path, whole[:4096]) }},
		{"a store without its key", persist.ErrNotStore, alter("DELETE FROM meta")},
		{"a store without its tables", persist.ErrNotStore, alter("DROP TABLE meta")},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.db")
			c.make(t, path)
			before := [2][]byte{}
			if c.name != "a pipe" {
				before = snapshot(t, path)
			}
			_, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
			if !errors.Is(err, c.want) {
				t.Fatalf("Open: %v, want %v", err, c.want)
			}
			t.Log(err)
			if c.name == "a pipe" {
				return
			}
			if after := snapshot(t, path); !bytes.Equal(after[0], before[0]) || !bytes.Equal(after[1], before[1]) {
				t.Error("the file has changed")
			}
			if _, err := os.Stat(path + ".lock"); errors.Is(c.want, persist.ErrNotStore) && err == nil {
				t.Error("a lock file was left beside it")
			}
		})
	}
}

func TestOpenMakesAStoreOfAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	write(t, path, nil)
	must(t, open(t, path), create(1))
	other := filepath.Join(t.TempDir(), "o.db")
	c := raw(t, other)
	run(t, c, "CREATE TABLE t(x); DROP TABLE t")
	c.Close()
	must(t, open(t, other), create(1))
}

func TestOpenAfterAKillHasAllThatWasAcknowledged(t *testing.T) { // D22
	path := filepath.Join(t.TempDir(), "s.db")
	d := open(t, path)
	fill(t, d, 100)
	must(t, d, destroy(7))
	again := open(t, copyOf(t, path))
	if exists(t, again, 7) || !exists(t, again, 8) {
		t.Fatal("what was acknowledged is not there")
	}
	if string(again.Traits().StoreKey) != string(d.Traits().StoreKey) {
		t.Fatal("it has another store key")
	}
}

func TestOpenMakesPrivateFilesWithAnyUmask(t *testing.T) { // A28, S51
	for _, mask := range []int{0, 0o077, 0o777} {
		old := umask(mask)
		dir := filepath.Join(t.TempDir(), fmt.Sprintf("%o", mask))
		if mask == 0o777 {
			if err := os.Mkdir(dir, 0); err != nil {
				t.Fatal(err)
			}
			_ = os.Chmod(dir, 0o700)
		}
		path := filepath.Join(dir, "s.db")
		d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, CreateDirs: true})
		if err == nil {
			must(t, d, create(1))
			err = d.Backup(context.Background(), path+".bak")
		}
		umask(old)
		if err != nil {
			t.Fatalf("umask %o: %v", mask, err)
		}
		for _, suffix := range []string{"", "-wal", "-shm", ".lock", ".bak"} {
			info, err := os.Stat(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("umask %o: s.db%s has mode %o", mask, suffix, info.Mode().Perm())
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("umask %o: the directory has mode %o, %v", mask, info.Mode().Perm(), err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenMakesAReadableFilePrivate(t *testing.T) { // A28
	path := filepath.Join(t.TempDir(), "s.db")
	write(t, path, nil)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %o, %v", info.Mode().Perm(), err)
	}
}

func TestOpenOfAReadOnlyPathIsErrReadOnly(t *testing.T) { // D30
	if dir, ok := os.LookupEnv("SQLITE_TEST_CHILD"); ok {
		for _, name := range []string{"file/s.db", "dir/new.db", "dir/s.db", "none/deeper/s.db"} {
			_, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(dir, name)})
			if !errors.Is(err, persist.ErrReadOnly) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root to become somebody else")
	}
	dir, err := os.MkdirTemp("/tmp", "readonly") //nolint:usetesting // another user must be able to reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, mode := range map[string]fs.FileMode{"file": 0o777, "dir": 0o755, "none": 0o755} {
		if err := os.Mkdir(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(filepath.Join(dir, name), mode)
	}
	_ = os.Chmod(dir, 0o755)
	for _, name := range []string{"file/s.db", "dir/s.db"} {
		d, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(filepath.Join(dir, name), 0o644)
		_ = os.Chmod(filepath.Join(dir, name)+".lock", 0o666)
	}
	bin := filepath.Join(dir, "test")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "SQLITE_TEST_CHILD="+dir, "TMPDIR="+filepath.Join(dir, "file"))
	cmd.Dir = "/"
	asNobody(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}
}

// SQLite would take such a name for a database in memory or a URI; here it would name a file.
func TestOpenRefusesAPathThatIsNotAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for path, hint := range map[string]string{
		"": "empty", ":memory:": "TempDir", ":temp:": "TempDir", "file:x?mode=ro": "URI", "file::memory:?cache=shared": "URI",
		"sqlite:///var/lib/s.db": "URI", "s.db?_pragma=foo": "parameters", "data/": "directory", "s.db-wal": "beside it", "s.db.lock": "beside it",
	} {
		for what, open := range map[string]func() error{
			"Open": func() error {
				_, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, CreateDirs: true})
				return err
			},
			"Restore": func() error {
				_, err := sqlite.Restore(context.Background(), "backup", path, persist.RestoreOptions{})
				return err
			},
		} {
			if err := open(); err == nil || !strings.Contains(err.Error(), hint) {
				t.Errorf("%s of %q: %v, want %s in it", what, path, err, hint)
			}
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("they have left %v, %v", left, err)
	}
}

// A typo in the path must not create an empty store.
func TestOpenOfAMissingDirectoryFailsUnlessItMayBeMade(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "no", "such", "s.db")
	_, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if !errors.Is(err, persist.ErrReadOnly) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join(dir, "no")+" is missing") ||
		!strings.Contains(err.Error(), "create_dirs") {
		t.Errorf("Open: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "no")); err == nil {
		t.Error("it was made")
	}
	d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, CreateDirs: true})
	if err != nil {
		t.Fatal(err)
	}
	must(t, d, create(1))
	ok(t, d.Close())
}

func TestOpenRefusesAnInvalidConfig(t *testing.T) {
	for _, c := range []sqlite.Config{{}, {Path: "x", Readers: -1}, {Path: "x", BusyTimeout: -1}} {
		if _, err := sqlite.Open(context.Background(), c); err == nil {
			t.Errorf("%+v was opened", c)
		}
	}
}

func TestOpenThatFailsLeavesNothingBehind(t *testing.T) { // D30, R4
	disk := newDisk(t)
	dir := t.TempDir()
	for at := 0; ; at++ {
		path := filepath.Join(dir, fmt.Sprintf("%d.db", at))
		hit := false
		disk.from(func(n int, _ faultvfs.Call) faultvfs.Verdict {
			if n == at {
				hit = true
				return faultvfs.Verdict{Code: lib.SQLITE_IOERR_READ}
			}
			return faultvfs.Verdict{}
		})
		fds := openFiles(t)
		d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, VFS: disk.Name})
		disk.from(nil)
		if err != nil {
			if n := openFiles(t); n != fds {
				t.Fatalf("call %d: %d files were open, now %d: %v", at, fds, n, err)
			}
			d = disk.open(t, path)
		}
		must(t, d, create(1))
		if err := d.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if n := openFiles(t); n != fds {
			t.Fatalf("call %d: %d files were open, now %d", at, fds, n)
		}
		if !hit {
			t.Logf("%d faults", at)
			return
		}
	}
}

func TestOpenLeavesAForeignFileBesideAJournalUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letter.txt")
	letter := []byte(strings.Repeat("Dear diary. ", 100))
	write(t, path, letter)
	write(t, path+"-journal", letter)
	if _, err := sqlite.Open(context.Background(), sqlite.Config{Path: path}); !errors.Is(err, persist.ErrNotStore) {
		t.Errorf("Open: %v", err)
	}
	for _, name := range []string{path, path + "-journal"} {
		if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, letter) {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
}

// A power cut during creation leaves a journal, complete or torn, beside a file of at most one
// page. Open creates the store again.
func TestOpenFinishesAStoreThatAPowerCutInterrupted(t *testing.T) { // D23, D25
	empty := filepath.Join(t.TempDir(), "empty.db")
	c := raw(t, empty)
	run(t, c, "CREATE TABLE t(x); DROP TABLE t")
	ok(t, c.Close())
	page, err := os.ReadFile(empty)
	ok(t, err)
	page = page[:4096]
	header := append([]byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"), make([]byte, 504)...)
	header[11], header[23], header[26] = 0, 2, 0x10 // sector of 512 bytes, page of 4096
	for name, journal := range map[string][]byte{
		"torn":        bytes.Repeat([]byte{7}, 516),
		"to nothing":  header,
		"to one page": append(append(bytes.Clone(header[:19]), 1), header[20:]...),
	} {
		for _, main := range [][]byte{page, nil} {
			path := filepath.Join(t.TempDir(), "s.db")
			write(t, path, main)
			write(t, path+"-journal", journal)
			d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
			if err != nil {
				t.Errorf("%s, %d bytes: %v", name, len(main), err)
				continue
			}
			must(t, d, create(1))
			ok(t, d.Close())
		}
	}
}
