//go:build linux

package foreign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/sessile/sessile"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// The purposes of child processes.
const (
	inNamespace = "SESSILE_FOREIGN_NAMESPACE" // runs the test where it can mount a volume and file modes apply
	secondFile  = "SESSILE_FOREIGN_SECOND"    // opens a second store at this path
)

func TestMain(m *testing.M) {
	if path := os.Getenv(secondFile); path != "" {
		fmt.Println(second(path))
		return
	}
	go machine.beat()
	os.Exit(m.Run())
}

// second opens a store in its own process and reports the result.
func second(path string) string {
	store, err := sessile.Open(context.Background(), sessile.Config{Path: path})
	if err != nil {
		return err.Error()
	}
	if err := store.Close(); err != nil {
		return err.Error()
	}
	return opened
}

const opened = "opened"

// needShell skips the test if the sqlite3 shell is missing. CI must have it.
func needShell(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err == nil {
		return
	}
	const missing = "the sqlite3 shell is not installed (Debian: apt-get install sqlite3)"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// reexec runs the test in a process that can mount a small volume and is subject to file modes, like a
// service. It reports whether it did. If this machine does not allow that, the test continues here without
// them.
func reexec(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) != "" {
		return false
	}
	args := append([]string{os.Args[0]}, os.Args[1:]...)
	args = append(args, "-test.run=^"+t.Name()+"$", "-test.parallel="+strconv.Itoa(*jobs))
	if setpriv, err := exec.LookPath("setpriv"); err == nil {
		args = append([]string{setpriv, "--bounding-set=-dac_override,-dac_read_search"}, args...)
	}
	run := func(attr *syscall.SysProcAttr) error {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env, cmd.SysProcAttr = append(os.Environ(), inNamespace+"=1"), attr
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
	err := run(&syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		err = run(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS})
	}
	if errors.Is(err, syscall.EPERM) {
		t.Log("this machine gives no namespace to a process that is not root: no full volume, and no file modes for root")
		return false
	}
	if err != nil {
		t.Error(err)
	}
	return true
}

// mount mounts a volume of twelve megabytes, three times what the WAL takes, for the duration of the test.
func mount(t *testing.T, dir string) error {
	t.Helper()
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m,mode=700")
}
