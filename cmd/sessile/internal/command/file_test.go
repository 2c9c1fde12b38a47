package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

func TestBackupOfAStoreThatRunsAndOfAFile(t *testing.T) {
	both(t, func(f *fixture) {
		path := filepath.Join(f.TempDir(), "my backup.db")
		if out := f.want(exitOK, "backup", path, "-q"); out != path+"\n" {
			f.Error(out)
		}
		if r := f.run("backup", path); r.code != exitFailed || !strings.Contains(r.err, "exists already") {
			f.Errorf("%+v", r)
		}
		if r := f.run("backup", filepath.Join(path, "below")); r.code != exitFailed || !strings.Contains(r.err, "not a directory") {
			f.Errorf("%+v", r)
		}
		copied := &fixture{T: f.T, file: path}
		if ids := copied.ids(""); len(ids) != 3 {
			f.Errorf("%v", ids)
		}
	})
}

// backedUp returns a backup that was made before one of ann's sessions ended and bob logged in.
func backedUp(t *testing.T) (f *fixture, backup, ended string) {
	t.Helper()
	f = setUp(t)
	backup = filepath.Join(t.TempDir(), "backup.db")
	f.want(exitOK, "backup", backup)
	ended = f.ids("ann")[0]
	f.open()
	f.login("bob", "")
	f.close()
	f.want(exitOK, "revoke", ended, "--yes")
	return f, backup, ended
}

func TestRestoreSaysWhatItBringsBackAndAsks(t *testing.T) {
	f, backup, _ := backedUp(t)
	before, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	r := f.run("restore", backup)
	for _, line := range []string{"It holds 3 sessions", "1  were logged out", "1  of the old file are lost", "--revoke-revived", "add --yes"} {
		if !strings.Contains(r.err, line) {
			t.Errorf("it does not say %q:\n%s", line, r.err)
		}
	}
	after, err := os.ReadFile(f.file)
	if err != nil || r.code != exitDeclined || string(before) != string(after) {
		t.Errorf("it exits with %d and may have changed the file, %v", r.code, err)
	}
	if out := f.want(exitOK, "restore", backup, "--yes"); !strings.HasPrefix(out, "Restored 3 sessions.") {
		t.Error(out)
	}
	if ids := f.ids(""); len(ids) != 3 {
		t.Errorf("%v", ids)
	}
}

func TestRestoreRevokesWhatItWouldRevive(t *testing.T) {
	f, backup, ended := backedUp(t)
	r := decode[struct{ Sessions, Revived, Lost, Ended int }](t, f.want(exitOK, "restore", backup, "--revoke-revived", "--yes", "-o", "json"))
	if r.Sessions != 3 || r.Revived != 1 || r.Lost != 1 || r.Ended != 1 {
		t.Errorf("%+v", r)
	}
	f.want(exitNotFound, "show", ended)
	if ids := f.ids(""); len(ids) != 2 {
		t.Errorf("%v", ids)
	}
	f.want(exitOK, "restore", backup, "--revoke-since", "1h", "--yes")
	if ids := f.ids(""); len(ids) != 0 {
		t.Errorf("%v", ids)
	}
}

func TestRestoreRefusesWhileAStoreRuns(t *testing.T) {
	f, backup, _ := backedUp(t)
	f.serve()
	if r := f.run("restore", backup, "--yes"); r.code != exitUnreachable || !strings.Contains(r.err, "stop it first") {
		t.Errorf("%+v", r)
	}
}

// TestRestoreThatIsKilledLeavesTheOldFileOrTheNew kills the command after each of the changes that it
// makes in the directory.
func TestRestoreThatIsKilledLeavesTheOldFileOrTheNew(t *testing.T) {
	f, backup, ended := backedUp(t)
	old, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	dir, restored := filepath.Dir(f.file), 0
	for _, seen := range []string{"s.db.restoring*", "s.db.restoring", "s.db.replaced*"} {
		f.killWhen(f.command("restore", backup, "--yes"), filepath.Join(dir, seen))
		ids := strings.Join(f.ids(""), " ")
		if revived := strings.Contains(ids, ended); revived {
			restored++
		}
		if n := len(strings.Fields(ids)); n != 3 {
			t.Errorf("%s: %d sessions are left: neither the old file nor the new one", seen, n)
		}
		if err := os.WriteFile(f.file, old, 0o600); err != nil {
			t.Fatal(err)
		}
		kept, _ := filepath.Glob(filepath.Join(dir, "s.db.re*"))
		for _, name := range kept {
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d of 3 were restored", restored)
}

func TestRestoresAtOnceLeaveAWholeFile(t *testing.T) {
	f, backup, ended := backedUp(t)
	var all sync.WaitGroup
	var done atomic.Int32
	for range 3 {
		all.Go(func() {
			switch r := f.run("restore", backup, "--yes"); r.code {
			case exitOK:
				done.Add(1)
			case exitUnreachable: // another has the file
			default:
				t.Errorf("%+v", r)
			}
		})
	}
	all.Wait()
	if ids := f.ids(""); done.Load() == 0 || len(ids) != 3 || !slices.Contains(ids, ended) {
		t.Errorf("%d restores, left: %v", done.Load(), ids)
	}
	f.want(exitOK, "doctor")
}

func TestBackupBesideCleanupIsWhole(t *testing.T) {
	both(t, func(f *fixture) {
		dir := f.TempDir()
		var all sync.WaitGroup
		for i := range 3 {
			path := filepath.Join(dir, fmt.Sprintf("backup%d.db", i))
			all.Go(func() {
				if r := f.run("cleanup"); r.code != exitOK && r.code != exitUnreachable { // a backup of the file alone has it open
					f.Errorf("%+v", r)
				}
			})
			all.Go(func() {
				r := f.run("backup", path)
				if r.code != exitOK && r.code != exitUnreachable && !strings.Contains(r.err, "Another backup is under way.") {
					f.Errorf("%+v", r)
				}
			})
		}
		all.Wait()
		made, _ := filepath.Glob(filepath.Join(dir, "*.db"))
		for _, path := range made {
			if ids := (&fixture{T: f.T, file: path}).ids(""); len(ids) != 3 {
				f.Errorf("%s: %v", path, ids)
			}
		}
		if len(made) == 0 {
			f.Error("no backup was made")
		}
	})
}

// A backup appears under its name only when it is whole.
func TestBackupThatIsKilledLeavesNothingUnderItsName(t *testing.T) {
	f := setUp(t)
	dir := t.TempDir()
	for i := range 5 {
		path := filepath.Join(dir, fmt.Sprintf("backup%d.db", i))
		f.killWhen(f.command("backup", path), path+"*")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if ids := (&fixture{T: t, file: path}).ids(""); len(ids) != 3 {
			t.Errorf("%v", ids)
		}
	}
	if ids := f.ids(""); len(ids) != 3 {
		t.Errorf("left: %v", ids)
	}
}

// killWhen kills a command when a file exists. It may have ended by then.
func (f *fixture) killWhen(c *exec.Cmd, pattern string) {
	f.Helper()
	if err := c.Start(); err != nil {
		f.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = c.Wait(); close(exited) }()
	for waiting := true; waiting; {
		found, _ := filepath.Glob(pattern)
		select {
		case <-exited:
			waiting = false
		default:
			waiting = len(found) == 0
		}
	}
	_ = c.Process.Kill()
	<-exited
}

// change changes a file with SQL.
func (f *fixture) change(script string) {
	f.Helper()
	c, err := sqlite.OpenConn(f.file, sqlite.OpenReadWrite)
	if err != nil {
		f.Fatal(err)
	}
	if err := sqlitex.ExecuteScript(c, script, nil); err != nil {
		f.Fatal(err)
	}
	if err := c.Close(); err != nil {
		f.Fatal(err)
	}
}

func TestOlderFileIsMigratedOnlyOnRequest(t *testing.T) {
	f := setUp(t)
	f.change(`ALTER TABLE session DROP COLUMN defaults; DELETE FROM meta WHERE name = 'clock'; PRAGMA user_version = 1`)
	if r := f.run("list"); r.code != exitFailed || !strings.Contains(r.err, "sessile migrate") {
		t.Errorf("%+v", r)
	}
	f.want(exitDeclined, "migrate")
	if out := f.want(exitOK, "doctor"); !strings.Contains(out, "schema       warning") {
		t.Error(out)
	}
	if out := f.want(exitOK, "migrate", "--yes"); out != "The file had schema 1, and has schema 2 now.\n" {
		t.Error(out)
	}
	if out := f.want(exitOK, "migrate"); out != "The file has schema 2 already.\n" {
		t.Error(out)
	}
	if ids := f.ids(""); len(ids) != 3 {
		t.Errorf("%v", ids)
	}
}

func TestCleanupDeletesExpiredSessions(t *testing.T) {
	both(t, func(f *fixture) {
		if out := f.want(exitOK, "cleanup"); out != "0 sessions deleted that had expired.\n" {
			f.Error(out)
		}
	})
}
