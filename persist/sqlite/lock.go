package sqlite

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gofrs/flock"

	"github.com/sessile/sessile/persist"
)

// lock keeps a second store process out. SQLite's own locks would let it in
// between two transactions, and its memory would not know of ours.
type lock struct{ f *flock.Flock }

func takeLock(path string) (*lock, error) {
	name := path + ".lock"
	f := flock.New(name, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	ok, err := f.TryLock()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: lock file: %w", persist.ErrReadOnly, err), f.Close())
	}
	if !ok {
		return nil, errors.Join(fmt.Errorf("%w (pid %s)", persist.ErrLocked, holder(name)), f.Close())
	}
	l := &lock{f}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: lock file: %w", persist.ErrReadOnly, err), l.release())
	}
	if err := os.WriteFile(name, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: lock file: %w", persist.ErrReadOnly, err), l.release())
	}
	return l, nil
}

// holder is the pid in the lock file, for people.
func holder(name string) string {
	b, err := os.ReadFile(name)
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return pid
	}
	return "unknown"
}

// release frees the lock. The file stays: removing it would race with the next holder.
func (l *lock) release() error { return l.f.Close() }
