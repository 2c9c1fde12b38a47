package command

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sessile/sessile/admin"
)

type listed []struct {
	ID     string `json:"id"`
	UserID string `json:"user_id"`
}

func TestListShowsTheSessionsOfAFileAndOfAStoreThatRuns(t *testing.T) {
	both(t, func(f *fixture) {
		if all := decode[listed](f.T, f.want(exitOK, "list", "-o", "json")); len(all) != 3 || all[2].UserID != "ann" {
			f.Errorf("%+v", all)
		}
		if ids := f.ids("ann"); len(ids) != 2 {
			f.Errorf("%v", ids)
		}
		if out := f.want(exitOK, "list", "--device", "iphone", "--limit", "1"); !strings.Contains(out, "iPhone") || strings.Count(out, "\n") != 2 {
			f.Error(out)
		}
		if out := f.want(exitOK, "list", "--user", "nobody"); out != "No session matches.\n" {
			f.Error(out)
		}
	})
}

// The pages of a long list are printed as one list.
func TestListOfSeveralPagesIsOneList(t *testing.T) {
	f := setUp(t)
	f.serve()
	for i := range 1100 {
		f.login(fmt.Sprintf("user%d", i), "")
	}
	all := decode[listed](t, f.want(exitOK, "list", "--limit", "0", "-o", "json"))
	seen := make(map[string]bool)
	for _, s := range all {
		seen[s.ID] = true
	}
	if len(all) != 1103 || len(seen) != 1103 {
		t.Errorf("%d sessions, %d different ones", len(all), len(seen))
	}
	if ids := strings.Fields(f.want(exitOK, "list", "--limit", "0", "-q")); len(ids) != 1103 {
		t.Errorf("%d IDs", len(ids))
	}
	table := strings.Split(f.want(exitOK, "list", "--limit", "0"), "\n")
	if len(table) != 1105 || strings.Count(strings.Join(table, "\n"), "ADDRESS") != 1 {
		t.Errorf("%d lines", len(table))
	}
	r := f.run("list", "--limit", "600", "-q")
	if strings.Count(r.out, "\n") != 600 || !strings.Contains(f.run("list", "--limit", "600").err, "more than 600 sessions") {
		t.Errorf("%d lines\n%s", strings.Count(r.out, "\n"), r.err)
	}
	if out := f.want(exitOK, "list", "--user", "nobody", "-o", "json"); out != "[]\n" {
		t.Error(out)
	}
}

func TestHostileTextReachesTheTerminalEscaped(t *testing.T) {
	both(t, func(f *fixture) {
		id := f.ids("")[0]
		for _, args := range [][]string{{"list"}, {"list", "-o", "json"}, {"show", id}, {"show", id, "-o", "json"}} {
			if out := f.want(exitOK, args...); !strings.Contains(out, `\u202e`) {
				f.Errorf("%v does not show that something was escaped:\n%s", args, out)
			}
		}
		f.want(exitDeclined, "revoke", id)
		f.want(exitDeclined, "revoke", "--user", "eve\u202e\x1b[31m")
		f.want(exitUsage, "show", "\x1b[31m")
	})
}

func TestRevokeEndsExactlyWhatItIsAskedTo(t *testing.T) {
	both(t, func(f *fixture) {
		ann := f.ids("ann")
		if out := f.want(exitOK, "revoke", ann[0], "--yes"); out != "1 session ended.\n" {
			f.Error(out)
		}
		if ids := f.ids("ann"); len(ids) != 1 || ids[0] != ann[1] {
			f.Errorf("left: %v", ids)
		}
		f.want(exitNotFound, "revoke", ann[0], "--yes")
		f.want(exitNotFound, "show", ann[0])
		if out := f.want(exitOK, "revoke", "--user", "ann", "--except", ann[1], "--yes"); out != "0 sessions ended.\n" {
			f.Error(out)
		}
		if o := decode[struct{ Count int }](f.T, f.want(exitOK, "revoke", "--user", "ann", "-y", "-o", "json")); o.Count != 1 {
			f.Errorf("%+v", o)
		}
		f.want(exitOK, "revoke", "--all", "--yes")
		if ids := f.ids(""); len(ids) != 0 {
			f.Errorf("left: %v", ids)
		}
	})
}

func TestRevokeReachesUsersWithAnyID(t *testing.T) {
	f := setUp(t)
	f.serve()
	for _, user := range []string{"..", ".", "a/b", "../revoke-all", "50%", "eve\u202e\x1b[31m"} {
		if user[0] != 'e' {
			f.login(user, "")
		}
		if out := f.want(exitOK, "revoke", "--user", user, "--yes"); out != "1 session ended.\n" {
			t.Errorf("%q: %s", user, out)
		}
	}
	if ids := f.ids(""); len(ids) != 2 {
		t.Errorf("left: %v", ids)
	}
}

func TestRevokeWithoutATerminalNeedsYes(t *testing.T) {
	both(t, func(f *fixture) {
		for _, args := range [][]string{{"revoke", f.ids("ann")[0]}, {"revoke", "--user", "ann"}, {"revoke", "--all"}} {
			c := f.command(args...)
			c.Stdin = strings.NewReader("yes\neverybody\n")
			out, err := c.CombinedOutput()
			if c.ProcessState.ExitCode() != exitDeclined || !strings.Contains(string(out), "--yes") {
				f.Errorf("%v: %v\n%s", args, err, out)
			}
		}
		if ids := f.ids(""); len(ids) != 3 {
			f.Errorf("left: %v", ids)
		}
	})
}

func TestRevokedSessionOfAStoreThatRunsIsRefusedAtOnce(t *testing.T) {
	f := setUp(t)
	f.serve()
	s, token := f.login("bob", "")
	f.want(exitOK, "revoke", s.ID().String(), "--yes")
	if _, err := f.store.ReadByToken(f.Context(), token); err == nil {
		t.Error("its token still works")
	}
}

func TestCommandsAtOnceWaitForEachOther(t *testing.T) {
	f := setUp(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if r := f.run("list", "-q"); r.code != exitOK || strings.Count(r.out, "\n") != 3 {
				t.Errorf("%+v", r)
			}
		})
	}
	all.Wait()
}

func TestFileOfAStoreWithoutASocketIsLeftAlone(t *testing.T) {
	f := setUp(t)
	f.open()
	defer f.close()
	r := f.run("list")
	if r.code != exitUnreachable || !strings.Contains(r.err, "no admin socket") || !strings.Contains(r.err, "pid") {
		t.Errorf("%+v", r)
	}
}

// leaveSocket leaves a socket that nobody serves, as SIGKILL does.
func (f *fixture) leaveSocket() {
	f.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: admin.SocketPath(f.file), Net: "unix"})
	if err != nil {
		f.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
}

func TestDeadSocketIsNoticed(t *testing.T) {
	f := setUp(t)
	f.leaveSocket()
	if ids := f.ids("ann"); len(ids) != 2 {
		t.Errorf("%v", ids)
	}
	if r := f.run("stats", "--watch"); r.code != exitUnreachable || !strings.Contains(r.err, "has ended") {
		t.Errorf("%+v", r)
	}
	if out := f.want(exitOK, "doctor"); !strings.Contains(out, "was killed") {
		t.Error(out)
	}
}

func TestSocketThatIsSomethingElseIsRefused(t *testing.T) {
	f := setUp(t)
	path := admin.SocketPath(f.file)
	for name, do := range map[string]func() error{
		"a file":      func() error { return os.WriteFile(path, nil, 0o600) },
		"a directory": func() error { return os.Mkdir(path, 0o700) },
		"a link":      func() error { return os.Symlink(f.file, path) },
		"a dead link": func() error { return os.Symlink("nowhere", path) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if r := f.run("list"); r.code != exitUnreachable || !strings.Contains(r.err, "is not a socket") {
			t.Errorf("%s: %+v", name, r)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileOfAnotherUserIsLeftAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can give a file away, and the check is about root above all
	}
	f := setUp(t)
	if err := os.Chown(f.file, 12345, -1); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"list", "cleanup"} {
		if r := f.run(verb); r.code != exitUnreachable || !strings.Contains(r.err, "sudo -u 12345") {
			t.Errorf("%s: %+v", verb, r)
		}
	}
}

func TestStatsOfAStoreThatRuns(t *testing.T) {
	f := setUp(t)
	if out := f.want(exitOK, "stats"); !strings.Contains(out, "none: no store runs") {
		t.Error(out)
	}
	f.serve()
	f.login("bob", "")
	if out := f.want(exitOK, "stats"); !strings.Contains(out, "1 created") || !strings.Contains(out, "ok") {
		t.Error(out)
	}
	c := f.command("stats", "--watch", "--interval", "100ms")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var b [512]byte
	text := ""
	for strings.Count(text, "\n") < 3 {
		n, err := out.Read(b[:])
		if err != nil {
			t.Fatal(err)
		}
		text += string(b[:n])
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil || !strings.HasPrefix(text, "TIME ") || !strings.Contains(text, " ok ") {
		t.Errorf("%v\n%s", err, text)
	}
}
