package sqlite_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A child process shares every open file of this process until it execs.
func TestLockIsReleasedWhileAProgramIsBeingStarted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	d := open(t, path)
	must(t, d, create(1))
	entries, err := os.ReadDir("/proc/self/fd")
	ok(t, err)
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, path) {
			fd, err := strconv.Atoi(e.Name())
			ok(t, err)
			copied, err := syscall.Dup(fd)
			ok(t, err)
			t.Cleanup(func() { _ = syscall.Close(copied) })
		}
	}
	ok(t, d.Close())
	if d := open(t, path); !exists(t, d, 1) {
		t.Error("what was acknowledged is not there")
	}
}
