package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// disk is a file system that counts its calls and fails them on demand.
type disk struct {
	*faultvfs.VFS
	mu    sync.Mutex
	calls []faultvfs.Call
	fail  func(n int, c faultvfs.Call) faultvfs.Verdict // nil means that nothing fails
}

// newDisk registers a disk under the name of the test.
func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{VFS: faultvfs.New(t.Name())}
	d.hook()
	return d
}

func (d *disk) hook() {
	d.Set(func(c faultvfs.Call) faultvfs.Verdict {
		d.mu.Lock()
		defer d.mu.Unlock()
		c.Data = slices.Clone(c.Data)
		d.calls = append(d.calls, c)
		if d.fail == nil {
			return faultvfs.Verdict{}
		}
		return d.fail(len(d.calls)-1, c)
	})
}

// from forgets the calls so far and lets fail decide about later ones.
func (d *disk) from(fail func(n int, c faultvfs.Call) faultvfs.Verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls, d.fail = nil, fail
}

func (d *disk) trace() []faultvfs.Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

func (d *disk) open(t *testing.T, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, VFS: d.Name, Readers: 1})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return db
}

// once fails the first call of a kind.
func once(op faultvfs.Op, suffix string, v faultvfs.Verdict) func(int, faultvfs.Call) faultvfs.Verdict {
	done := false
	return func(_ int, c faultvfs.Call) faultvfs.Verdict {
		if done || c.Op != op || !strings.HasSuffix(c.Path, suffix) {
			return faultvfs.Verdict{}
		}
		done = true
		return v
	}
}

func apply(d persist.Backend, ops ...persist.Op) ([]persist.Outcome, error) {
	res, err := d.Apply(context.Background(), &persist.Batch{Now: benchNow, Ops: ops})
	return res.Ops, err
}

func create(n int) persist.Op { return persist.Op{Kind: persist.OpCreate, Record: sample(n)} }

func destroy(n int) persist.Op {
	return persist.Op{Kind: persist.OpDestroy, Ref: sample(n).Ref()}
}

func must(t *testing.T, d persist.Backend, ops ...persist.Op) {
	t.Helper()
	out, err := apply(d, ops...)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	for i, o := range out {
		if o.Status != persist.StatusApplied {
			t.Fatalf("operation %d has status %d, error %v", i, o.Status, o.Err)
		}
	}
}

func exists(t *testing.T, d persist.Backend, n int) bool {
	t.Helper()
	_, err := d.ByID(context.Background(), sample(n).ID)
	if err != nil && !errors.Is(err, persist.ErrNotFound) {
		t.Fatalf("ByID: %v", err)
	}
	return err == nil
}

// reading starts a read transaction the way another program would, and keeps it open.
func reading(t *testing.T, path string) *zombie.Conn {
	t.Helper()
	c := raw(t, path)
	run := func(sql string) {
		if err := sqlitex.ExecuteTransient(c, sql, nil); err != nil {
			t.Fatal(err)
		}
	}
	run("BEGIN")
	run("SELECT count(*) FROM session")
	return c
}

func codeIn(err error) zombie.ResultCode { return zombie.ErrCode(err) }

// hang makes every call of a kind wait until it is released.
func hang(op faultvfs.Op, suffix string) (func(int, faultvfs.Call) faultvfs.Verdict, chan struct{}, chan struct{}) {
	hangs, free := make(chan struct{}, 100), make(chan struct{})
	return func(_ int, c faultvfs.Call) (v faultvfs.Verdict) {
		if c.Op == op && strings.HasSuffix(c.Path, suffix) {
			select {
			case hangs <- struct{}{}:
			default:
			}
			<-free
		}
		return v
	}, hangs, free
}

// written returns the offsets at which a file was written.
func written(calls []faultvfs.Call, path string) map[int64]bool {
	at := map[int64]bool{}
	for _, c := range calls {
		if c.Op == faultvfs.Write && c.Path == path {
			at[c.Off] = true
		}
	}
	return at
}

// child runs the current test in a child process with an argument. In the child, inParent is
// false and the test has the argument.
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

// snapshot returns the content of the files of a database.
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

// copyOf copies a database with its WAL, in the state that SIGKILL would leave.
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

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
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

// crashed copies the database of an open store in a state that a power cut may leave: with
// arbitrary content in the first page of the file.
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

// resets records the reasons that a Look reports.
type resets []string

func (r *resets) Reset(reason string) { *r = append(*r, reason) }

func (*resets) Invalidate([]persist.Event) {}

func (*resets) Now() persist.Instant  { return 0 }
func (*resets) Fresh(persist.Instant) {}

// started opens a file in its own directory. The test damages the file, so Close may fail.
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

// copyFile overwrites one file with the content of another, like cp.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	ok(t, err, os.WriteFile(to, b, 0o600))
}
