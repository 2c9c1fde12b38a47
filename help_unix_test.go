//go:build unix

package sessile_test

import (
	"os"
	"syscall"
)

func umask(mask int) (old int) { return syscall.Umask(mask) }

func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

func funlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
