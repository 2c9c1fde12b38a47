package sqlite

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gofrs/flock"

	"github.com/sessile/sessile/persist"
)

// lock keeps a second store out. SQLite's own locks would let it in between two
// transactions, and its memory would not know of ours.
type lock struct {
	file *flock.Flock
	made bool // by us, just now
}

// takeLock takes the lock beside the file, or says at once who has it. The pid in
// it is for people: only the kernel's lock counts, and that ends with the process.
func takeLock(path string) (*lock, error) {
	name := path + ".lock"
	_, err := os.Lstat(name)
	l := &lock{
		file: flock.New(name, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR)),
		made: errors.Is(err, os.ErrNotExist),
	}
	ok, err := l.file.TryLock()
	if err != nil {
		return nil, l.refused(err)
	}
	if !ok {
		return nil, fmt.Errorf("%w (pid %s)", persist.ErrLocked, holder(name))
	}
	mine, err := l.file.Stat()
	if err != nil {
		return nil, l.refused(err)
	}
	if there, err := os.Stat(name); err != nil || !os.SameFile(mine, there) {
		_ = l.file.Close()
		return nil, fmt.Errorf("%w (its lock file was replaced at this moment)", persist.ErrLocked)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, l.refused(err)
	}
	if err := os.WriteFile(name, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		return nil, l.refused(err)
	}
	return l, nil
}

func (l *lock) refused(err error) error {
	_ = l.file.Close()
	return fmt.Errorf("%w: lock file: %w", persist.ErrReadOnly, err)
}

// holder is the pid in the lock file.
func holder(name string) string {
	b, err := os.ReadFile(name)
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return pid
	}
	return "unknown"
}

// forget removes the lock file if this lock made it. It does so while it has the
// lock: whoever opened the file meanwhile finds, once it is theirs, that it is no
// longer the one at the path.
func (l *lock) forget() {
	if l.made {
		_ = os.Remove(l.file.Path())
	}
}

// release frees the lock. The file stays for the next one.
func (l *lock) release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("freeing the lock: %w", err)
	}
	return nil
}
