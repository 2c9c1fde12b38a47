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
	ofdSetLock = 37      // F_OFD_SETLK: the lock is the open file's, not the process's
	claimed    = 1 << 62 // a byte that no database has, and that SQLite does not lock
)

// claim locks one byte far behind the end of the database itself. Unlike the lock file
// it cannot be removed, and it is the same under every name of the file. Other programs
// that use SQLite are not in its way. It ends with the process at the latest.
func claim(f *os.File) error {
	err := setClaim(f, syscall.F_WRLCK)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w (under another name, or without its lock file)", persist.ErrLocked)
	}
	return nil // a file system without such locks has the lock file
}

// unclaim frees the lock although another file descriptor may lead to the open file: a
// program that the process is starting has all of them until it runs.
func unclaim(f *os.File) { _ = setClaim(f, syscall.F_UNLCK) } // it fails where claim does nothing

func setClaim(f *os.File, kind int16) error {
	return syscall.FcntlFlock(f.Fd(), ofdSetLock, &syscall.Flock_t{Type: kind, Whence: io.SeekStart, Start: claimed, Len: 1})
}
