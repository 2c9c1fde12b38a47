package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lib "modernc.org/sqlite/lib"
	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// disk is a file system whose calls are counted and fail on demand.
type disk struct {
	*faultvfs.VFS
	mu    sync.Mutex
	calls []faultvfs.Call
	fail  func(n int, c faultvfs.Call) faultvfs.Verdict // nil: nothing fails
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

// from forgets the calls so far and lets fail decide about those that follow.
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

func create(n int) persist.Op { return persist.Op{Kind: persist.Create, Record: sample(n)} }

func destroy(n int) persist.Op {
	return persist.Op{Kind: persist.Destroy, Ref: sample(n).Ref()}
}

func must(t *testing.T, d persist.Backend, ops ...persist.Op) {
	t.Helper()
	out, err := apply(d, ops...)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	for i, o := range out {
		if o.Status != persist.Applied {
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

func TestTheWALIsSyncedBeforeApplyReturns(t *testing.T) { // D1
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

func TestAFailedSyncOfACommitIsUnknownAndRetriable(t *testing.T) { // D9, D10
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

// reading begins a read transaction as another program does, and keeps it.
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

// A reader of another program that stays keeps no writer from being repaired.
func TestRepairNeedsNoReadersLeave(t *testing.T) { // D10
	for name, v := range map[string]struct {
		op     faultvfs.Op
		suffix string
		code   int32
	}{
		"a sync of the WAL": {faultvfs.Sync, "-wal", lib.SQLITE_IOERR_FSYNC},
		"a write":           {faultvfs.Write, "-wal", lib.SQLITE_IOERR_WRITE},
		"a full disk":       {faultvfs.Write, "-wal", lib.SQLITE_FULL},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk(t)
			path := filepath.Join(t.TempDir(), "s.db")
			d := disk.open(t, path)
			defer d.Close()
			must(t, d, create(1), create(2))
			reader := reading(t, path)
			must(t, d, create(3))
			disk.from(once(v.op, v.suffix, faultvfs.Verdict{Code: v.code}))
			if _, err := apply(d, destroy(1)); err == nil {
				t.Fatal("the fault was not felt")
			}
			disk.from(nil)
			began := time.Now()
			must(t, d, destroy(1), create(4))
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if err := reader.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, copyOf(t, path))
			if exists(t, again, 1) || !exists(t, again, 2) || !exists(t, again, 3) || !exists(t, again, 4) {
				t.Error("what was acknowledged is not there after a crash")
			}
		})
	}
}

// SQLite syncs the file only when a checkpoint reaches the end of the WAL. If that fails,
// what earlier checkpoints wrote may be lost with it: it is written again, too.
func TestACheckpointThatFailsIsMadeAgainFromItsBeginning(t *testing.T) { // D10, D23
	disk := newDisk(t)
	path := filepath.Join(t.TempDir(), "s.db")
	d := disk.open(t, path)
	defer d.Close()
	fill(t, d, 500)
	reader := reading(t, path)
	disk.from(nil)
	for n := 500; d.Inspect().WALBytes < 1100*4096; n += 50 {
		var ops []persist.Op
		for i := range 50 {
			ops = append(ops, create(n+i))
		}
		must(t, d, ops...)
	}
	partly := written(disk.trace(), path)
	if len(partly) == 0 {
		t.Fatal("nothing was written back while the reader stayed")
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	disk.from(once(faultvfs.Sync, "s.db", faultvfs.Verdict{Code: lib.SQLITE_IOERR_FSYNC}))
	must(t, d, create(100_000)) // its commit is done; only the checkpoint behind it fails
	must(t, d, create(100_001))
	calls := disk.trace()
	failed := slices.IndexFunc(calls, func(c faultvfs.Call) bool { return c.Op == faultvfs.Sync && c.Path == path })
	if failed < 0 {
		t.Fatal("no checkpoint reached the end")
	}
	again := written(calls[failed:], path)
	for page := range partly {
		if !again[page] {
			t.Fatalf("the page at %d was not written again: %d before, %d after", page, len(partly), len(again))
		}
	}
}

// written are the offsets at which a file was written.
func written(calls []faultvfs.Call, path string) map[int64]bool {
	at := map[int64]bool{}
	for _, c := range calls {
		if c.Op == faultvfs.Write && c.Path == path {
			at[c.Off] = true
		}
	}
	return at
}

// A COMMIT that failed leaves whole frames in the WAL. What is acknowledged after it
// holds although the next batch changes nothing: it is not there to be destroyed.
func TestACommitThatFailedDoesNotComeTrueAfterAnAcknowledgement(t *testing.T) { // D9, D10
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
		if out, err := apply(d, destroy(2)); err != nil || out[0].Status != persist.Gone {
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

// What a process left in the WAL may never have been synced: the next one writes it
// to the disk before anything stands behind it, whoever reads.
func TestOpenSettlesTheWALThatItFinds(t *testing.T) { // D9, D23
	from := filepath.Join(t.TempDir(), "s.db")
	d := open(t, from)
	must(t, d, create(1), create(2))
	disk := newDisk(t)
	path := copyOf(t, from)
	d = disk.open(t, path)
	defer d.Close()
	synced := slices.IndexFunc(disk.trace(), func(c faultvfs.Call) bool { return c.Op == faultvfs.Sync && c.Path == path })
	if synced < 0 || d.Inspect().WALBytes > 0 {
		t.Errorf("the WAL was not written to the file: synced %v, %d bytes", synced >= 0, d.Inspect().WALBytes)
	}
	path = copyOf(t, from)
	reader := reading(t, path)
	before, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	d = disk.open(t, path)
	defer d.Close()
	if n := d.Inspect().WALBytes; n <= before.Size() {
		t.Errorf("no commit stands behind what was in the WAL: %d bytes, then %d", before.Size(), n)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	must(t, d, destroy(1))
	if exists(t, d, 1) || !exists(t, d, 2) {
		t.Error("it lacks what was in the WAL")
	}
}

// Whatever a COMMIT fails with, its frames may be in the WAL, whole: a crash now
// would make them true.
func TestACommitThatSaysBusyIsUnknownToo(t *testing.T) { // D9
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

func TestABackupThatMeetsAnIOErrorIsUnavailable(t *testing.T) { // D26
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

func codeIn(err error) zombie.ResultCode { return zombie.ErrCode(err) }

func TestAWriterThatCannotBeReopenedIsTriedAgain(t *testing.T) { // D10
	disk := newDisk(t)
	d := disk.open(t, filepath.Join(t.TempDir(), "s.db"))
	defer d.Close()
	must(t, d, create(1))
	broken := func(_ int, c faultvfs.Call) faultvfs.Verdict {
		if c.Op == faultvfs.Write || c.Op == faultvfs.Sync || c.Op == faultvfs.Truncate {
			return faultvfs.Verdict{Code: lib.SQLITE_IOERR_WRITE}
		}
		return faultvfs.Verdict{}
	}
	disk.from(broken)
	for range 5 {
		_, err := apply(d, destroy(1))
		if !errors.Is(err, persist.ErrUnavailable) && !errors.Is(err, persist.ErrUnknown) {
			t.Fatalf("Apply: %v", err)
		}
	}
	if !exists(t, d, 1) {
		t.Fatal("reads do not go on while writes fail")
	}
	disk.from(nil)
	must(t, d, destroy(1))
	if exists(t, d, 1) {
		t.Fatal("it was not destroyed")
	}
}

func TestAFullDiskIsUnavailableUntilThereIsRoom(t *testing.T) { // D11, R15
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

func TestAReaderThatMetAnIOErrorIsReplaced(t *testing.T) {
	disk := newDisk(t)
	path := filepath.Join(t.TempDir(), "s.db")
	d := disk.open(t, path)
	fill(t, d, 1000)
	if err := d.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	d = disk.open(t, path) // with nothing cached
	defer d.Close()
	disk.from(func(_ int, c faultvfs.Call) faultvfs.Verdict {
		if c.Op == faultvfs.Read {
			return faultvfs.Verdict{Code: lib.SQLITE_IOERR_READ}
		}
		return faultvfs.Verdict{}
	})
	for range 3 {
		if _, err := d.ByID(context.Background(), sample(500).ID); !errors.Is(err, persist.ErrUnavailable) {
			t.Fatalf("ByID: %v", err)
		}
	}
	disk.from(nil)
	if !exists(t, d, 500) {
		t.Fatal("it is not there any more")
	}
}

// I/O calls of a short script fail once, with every kind of error, made or not:
// nothing that was acknowledged may be lost or undone, then and after a restart, and
// the store recovers without one (D9, D10, R4). internal/faults tries every call.
func TestNoFaultUndoesWhatWasAcknowledged(t *testing.T) {
	disk := newDisk(t)
	dir := t.TempDir()
	const step = 5
	injected := 0
	for i, v := range []faultvfs.Verdict{
		{Code: lib.SQLITE_IOERR_FSYNC}, {Code: lib.SQLITE_IOERR_WRITE, Do: true}, {Code: lib.SQLITE_FULL}, {Code: lib.SQLITE_IOERR_READ},
	} {
		for at := i; ; at += step { // each error at calls of its own
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

// script creates, touches and destroys, retries what fails, and says which
// sessions must be there.
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

// A WAL that a reader has let grow is emptied by the first commit that can.
func TestALongWALIsEmptied(t *testing.T) { // R17
	path := filepath.Join(t.TempDir(), "s.db")
	d := open(t, path)
	must(t, d, create(1))
	reader := reading(t, path)
	large := persist.Batch{Now: benchNow}
	for n := 10; n < 1010; n++ {
		op := create(n)
		op.Record.Data = slices.Repeat([]byte("x"), 60_000)
		large.Ops = append(large.Ops, op)
	}
	if _, err := d.Apply(context.Background(), &large); err != nil {
		t.Fatal(err)
	}
	if n := d.Inspect().WALBytes; n < 32<<20 {
		t.Fatalf("the WAL has %d bytes", n)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for n := 2000; n < 2020 && d.Inspect().WALBytes > 0; n++ {
		large.Ops = []persist.Op{create(n)}
		for i := range 10 {
			op := create(n*100 + i)
			op.Record.Data = slices.Repeat([]byte("x"), 60_000)
			large.Ops = append(large.Ops, op)
		}
		if _, err := d.Apply(context.Background(), &large); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.Inspect().WALBytes; n > 0 {
		t.Errorf("the WAL has %d bytes and is not emptied", n)
	}
}

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

// A disk that hangs holds up nobody longer than his context lasts. What was begun is given
// up when the disk goes on, and leaves nothing behind.
func TestBackupAndOpenEndWithTheirContextWhileTheDiskHangs(t *testing.T) { // D16
	disk := &disk{VFS: faultvfs.New(t.Name())}
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	hook := func(f func(int, faultvfs.Call) faultvfs.Verdict) {
		disk.Set(func(c faultvfs.Call) faultvfs.Verdict { return f(0, c) }) // without the lock of disk: others go on
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

// A copy is synced after the last byte of it was written, and before it has its name.
func TestABackupIsSynced(t *testing.T) { // D26
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
