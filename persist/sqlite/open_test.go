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
	"syscall"
	"testing"
	"time"

	lib "modernc.org/sqlite/lib"
	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// child runs this test in a process of its own, with an argument. In the child it
// is false and the argument is given.
func child(t *testing.T, arg string) (out string, inParent bool) {
	t.Helper()
	const env = "SQLITE_TEST_CHILD"
	if got, ok := os.LookupEnv(env); ok {
		return got, false
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), env+"="+arg)
	cmd.Dir = "/"
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the child: %v\n%s", err, b)
	}
	return string(b), true
}

func TestASecondOpenIsRefusedAtOnceAndNamesThePid(t *testing.T) { // D24
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

func TestTheLockIsFreedByCloseAndByAFailedOpen(t *testing.T) { // D30
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

func TestTwoNamesOfOneFileHaveOneLock(t *testing.T) {
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

// Also if the link is there first, and the file is made through it.
func TestALinkToNothingAndTheFileItMakesHaveOneLock(t *testing.T) {
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

func TestABackupMayHaveARelativePath(t *testing.T) {
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

// Close ends a backup that is under way: it would keep the WAL from being emptied, and go
// on without the lock (D30).
func TestCloseEndsABackup(t *testing.T) {
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

// raw opens a file with the driver alone.
func raw(t *testing.T, path string) *zombie.Conn {
	t.Helper()
	c, err := zombie.OpenConn(path, zombie.OpenReadWrite|zombie.OpenCreate|zombie.OpenWAL)
	if err != nil {
		t.Fatalf("opening %s: %v", path, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func run(t *testing.T, c *zombie.Conn, sql string) {
	t.Helper()
	if err := sqlitex.ExecuteScript(c, sql, nil); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// snapshot is what is in the files of a database.
func snapshot(t *testing.T, path string) [2][]byte {
	t.Helper()
	var s [2][]byte
	for i, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EISDIR) {
			t.Fatal(err)
		}
		s[i] = b
	}
	return s
}

// copyOf copies a database with its WAL, as kill -9 leaves it.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	for i, b := range snapshot(t, path) {
		if err := os.WriteFile(to+[]string{"", "-wal"}[i], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestAFileThatIsNotOursIsRefusedAndUntouched(t *testing.T) { // D25
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

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnEmptyFileBecomesAStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	write(t, path, nil)
	must(t, open(t, path), create(1))
	other := filepath.Join(t.TempDir(), "o.db")
	c := raw(t, other)
	run(t, c, "CREATE TABLE t(x); DROP TABLE t")
	c.Close()
	must(t, open(t, other), create(1))
}

func TestAStoreThatWasKilledOpensWithAllThatWasAcknowledged(t *testing.T) { // D22
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

func TestFilesArePrivateWhateverTheUmask(t *testing.T) { // A28, S51
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

func TestAFileThatOthersCouldReadIsMadePrivate(t *testing.T) { // A28
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

func TestAPathThatCannotBeWrittenIsReadOnly(t *testing.T) { // D30
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
	dir, err := os.MkdirTemp("/tmp", "readonly") //nolint:usetesting // somebody else must reach it
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

// A name that SQLite takes for a database in memory or a URI would be a file of that name.
func TestPathsThatAreNoFileAreRefusedByName(t *testing.T) {
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
			"Restore": func() error { _, err := sqlite.Restore(context.Background(), "backup", path, 0); return err },
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

// A typo in the path must not be an empty store.
func TestAMissingDirectoryIsAnErrorUnlessItMayBeMade(t *testing.T) {
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

func TestAConfigThatCannotBeMeantIsRefused(t *testing.T) {
	for _, c := range []sqlite.Config{{}, {Path: "x", Readers: -1}, {Path: "x", BusyTimeout: -1}} {
		if _, err := sqlite.Open(context.Background(), c); err == nil {
			t.Errorf("%+v was opened", c)
		}
	}
}

func TestAFaultDuringOpenLeavesNothingBehind(t *testing.T) { // D30, R4
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

func openFiles(t *testing.T) int {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	return len(l)
}

// crashed copies the database of an open store as a power cut may leave it: with
// anything at all where the first page of the file was being written.
func crashed(t *testing.T, from string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if suffix == "" {
			for i := range 512 {
				b[i] = byte(i * 7)
			}
		}
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestAHeaderThatAPowerCutHasTornIsTakenFromTheWAL(t *testing.T) { // D23
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

func TestWhatIsNoDatabaseIsLeftAloneAlsoBesideAJournal(t *testing.T) {
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

func TestWhatIsNoDatabaseIsLeftAloneAlsoBesideAWAL(t *testing.T) {
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

// A power cut while the file is made leaves a journal, whole or torn, beside one page or
// none. It is made anew.
func TestAStoreThatAPowerCutKeptFromBeingMadeIsMade(t *testing.T) { // D23, D25
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
