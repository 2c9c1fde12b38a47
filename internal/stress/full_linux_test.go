package stress

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
)

var fills = flag.Int("stress.fills", 20, "times that the disk is filled")

const (
	smallDisk = "SESSILE_STRESS_DISK" // set in the process that has the small disk
	diskBytes = 4 << 20
)

// A disk of four megabytes is filled at a random moment. What the store refuses and what it acknowledges is true
// then, after space is available again, and after a restart. A logout counts although it cannot be stored.
func TestStressFullDiskLosesNothing(t *testing.T) { // D11, I4, R15
	if os.Getenv(smallDisk) == "" {
		onSmallDisk(t)
		return
	}
	if err := mount(t, t.TempDir()); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	var failed, sessions atomic.Int64
	t.Run("fills", func(t *testing.T) {
		for n := range *fills {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel() // they mostly wait
				s := fillOnce(t)
				failed.Add(int64(s.failed))
				sessions.Add(int64(s.ledger.Len()))
			})
		}
	})
	t.Logf("%d times full, %d sessions, %d calls failed", *fills, sessions.Load(), failed.Load())
	if int(failed.Load()) < *fills {
		t.Error("the disk was hardly ever full")
	}
}

func fillOnce(t *testing.T) *outage {
	t.Helper()
	dir := t.TempDir()
	if err := mount(t, dir); err != nil {
		t.Fatal(err)
	}
	s := newOutage(t, harness.Setup{Path: filepath.Join(dir, "s.db"), Hot: 10, Max: 20}, rand.Uint64())
	s.steps(false, 20)
	filler := fill(t, dir, rand.Int64N(200<<10))
	s.steps(true, 60)
	revoke(t, s.store, s.clients)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.recovered()
	s.none()
	return s
}

// mount mounts a small disk over a directory for the duration of the test.
func mount(t *testing.T, dir string) error {
	t.Helper()
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", diskBytes))
}

// revoke logs everybody out on the full disk. The clients check that the tokens are refused.
func revoke(t *testing.T, store *sessile.Store, clients []*harness.Client) {
	t.Helper()
	for _, c := range clients {
		for c.Live() > 0 {
			before := c.Live()
			if c.Destroy(0); c.Live() == before {
				t.Fatalf("a log-out is refused: %+v", store.Health())
			}
		}
	}
}

// fill leaves free bytes on the disk of a directory.
func fill(t *testing.T, dir string, free int64) string {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	size, err := f.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(max(0, size-free)), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// onSmallDisk runs the test again in a process that may mount a disk, if necessary as root in its own namespace.
func onSmallDisk(t *testing.T) {
	t.Helper()
	run := func(attr *syscall.SysProcAttr) (string, error) {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.parallel=16", fmt.Sprint("-stress.fills=", *fills))
		cmd.Env, cmd.SysProcAttr = append(os.Environ(), smallDisk+"=1"), attr
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run(&syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		out, err = run(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS})
	}
	t.Log(out)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this machine gives no namespace to a process that is not root")
	}
	if err != nil {
		t.Error(err)
	}
}
