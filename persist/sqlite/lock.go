package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gofrs/flock"

	"github.com/sessile/sessile/persist"
)

// lock keeps a second store out. SQLite's own locks would let one in between two
// transactions, and the memory of the two stores would diverge. See also claim.
type lock struct {
	file *flock.Flock
	made bool // this lock created the file
}

// takeLock locks the file beside the database, or fails at once and names the owner. The pid
// in the file is only for people. The kernel's lock decides, and it ends with the process.
func takeLock(path string) (*lock, error) {
	name := path + ".lock"
	if err := besideIsPlain(name, lstat(path)); err != nil {
		return nil, err
	}
	l := &lock{
		file: flock.New(name, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR|plain)),
		made: lstat(name) == nil,
	}
	ok, err := l.file.TryLock()
	if err != nil {
		return nil, l.refused(err)
	}
	if !ok {
		return nil, fmt.Errorf("%w (pid %s)", persist.ErrLocked, holder(name))
	}
	if !l.there() {
		_ = l.file.Close()
		return nil, fmt.Errorf("%w (its lock file was just replaced)", persist.ErrLocked)
	}
	if err := l.sign(); err != nil {
		return nil, l.refused(err)
	}
	return l, nil
}

// lstat returns what is at a path, or nil if that is unknown.
func lstat(path string) os.FileInfo {
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	return info
}

// there reports whether the locked file is still the one at the path.
func (l *lock) there() bool {
	mine, err := l.file.Stat()
	there := lstat(l.file.Path())
	return err == nil && there != nil && os.SameFile(mine, there)
}

// sign makes the lock file private and writes our pid into it. It writes to the locked file,
// even if another file is at the path by now.
func (l *lock) sign() (err error) {
	f, err := os.OpenFile(l.file.Path(), os.O_RDWR|plain, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	mine, err := l.file.Stat()
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err != nil || !os.SameFile(mine, info) {
		return fmt.Errorf("it was replaced: %w", err)
	}
	if err := private(f); err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

func (l *lock) refused(err error) error {
	_ = l.file.Close()
	return fmt.Errorf("%w: lock file: %w", persist.ErrReadOnly, err)
}

// holder returns the pid in the lock file.
func holder(name string) string {
	f, err := os.OpenFile(name, os.O_RDONLY|plain, 0)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return pid
	}
	return "unknown"
}

// forget deletes the lock file if this lock created it. It does so while it holds the lock.
// Whoever opened the file meanwhile notices, once it gets the lock, that the file is no
// longer the one at the path.
func (l *lock) forget() {
	if l.made {
		_ = os.Remove(l.file.Path())
	}
}

// restore creates a deleted lock file again. Until then, the claim on the database keeps
// other stores out.
func (l *lock) restore(path string) {
	if l.there() {
		return
	}
	if next, err := takeLock(path); err == nil {
		_ = l.file.Close()
		l.file = next.file
	}
}

// release releases the lock. The file stays for the next store.
func (l *lock) release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("freeing the lock: %w", err)
	}
	return nil
}
