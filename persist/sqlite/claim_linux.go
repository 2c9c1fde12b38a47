package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/sessile/sessile/persist"
)

const (
	ofdSetLock = 37      // F_OFD_SETLK: the open file owns the lock, not the process
	claimed    = 1 << 62 // a byte beyond the end of any database, which SQLite does not lock
)

// claim locks one byte far beyond the end of the database file. Unlike the lock file, this
// lock cannot be deleted, and it is the same under every name of the file. It does not
// hinder other programs that use SQLite. The kernel releases it when the process ends.
func claim(f *os.File) error {
	err := setClaim(f, syscall.F_WRLCK)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w (under another name, or without its lock file)", persist.ErrLocked)
	}
	return nil // on a file system without such locks, only the lock file protects
}

// unclaim releases the lock explicitly. Closing the file is not enough: a child process
// that is just being started still shares every open file until it execs.
func unclaim(f *os.File) { _ = setClaim(f, syscall.F_UNLCK) } // fails only where claim did nothing

func setClaim(f *os.File, kind int16) error {
	return syscall.FcntlFlock(f.Fd(), ofdSetLock, &syscall.Flock_t{Type: kind, Whence: io.SeekStart, Start: claimed, Len: 1})
}

// isClaimed reports whether a process holds the claim on a file, without taking it.
func isClaimed(f *os.File) (bool, error) {
	const ofdGetLock = 36 // F_OFD_GETLK
	l := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: claimed, Len: 1}
	if err := syscall.FcntlFlock(f.Fd(), ofdGetLock, &l); err != nil {
		return false, fmt.Errorf("asking for the lock: %w", err)
	}
	return l.Type != syscall.F_UNLCK, nil
}
