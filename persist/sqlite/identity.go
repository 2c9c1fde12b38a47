package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sessile/sessile/persist"
)

// identity is the file that Open opened, and how this process has left it and its
// WAL. What is at the path must be this file, or what is written is lost at the next
// start.
type identity struct {
	names []string    // the path, and as it was given if that leads there by links
	file  *os.File    // opened before SQLite's connections and closed after them: to close it drops their locks
	info  os.FileInfo // of file
	kept  []*os.File  // closed with it, for the same reason

	besides atomic.Pointer[besides]

	main    os.FileInfo // how our last action has left the file
	wal     os.FileInfo // and its WAL, nil if unknown
	walHead [walHeaderBytes]byte
	walFile *os.File // to read the header again, nil where that keeps others from removing the WAL
	mark    mark
}

// besides are the WAL and its index that the connections use, nil if unknown.
type besides struct{ wal, shm os.FileInfo }

// opened are the files that this process has open, under whatever name. POSIX locks
// are the process's: to open and close a file a second time would drop those that the
// first store holds.
//
//nolint:gochecknoglobals // so are the locks
var opened struct {
	sync.Mutex
	files []os.FileInfo
}

// openIdentity opens or creates the file at path, and claims it.
func openIdentity(path, given string) (*identity, error) {
	opened.Lock()
	defer opened.Unlock()
	if info, err := os.Stat(path); err == nil && slices.ContainsFunc(opened.files, func(o os.FileInfo) bool { return os.SameFile(o, info) }) {
		return nil, fmt.Errorf("%w (pid %d, under another name or without its lock file)", persist.ErrLocked, os.Getpid())
	}
	f, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	i := &identity{file: f, names: []string{path}}
	if given != path {
		i.names = append(i.names, given)
	}
	if i.info, err = f.Stat(); err == nil {
		err = claim(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	i.main = i.info
	opened.files = append(opened.files, i.info)
	return i, nil
}

// openPlain opens or creates a regular file that is nobody else's.
func openPlain(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|plain, 0o600)
	if err != nil {
		if info, left := os.Stat(path); left == nil && info.IsDir() {
			return nil, fmt.Errorf("%w: it is a directory", persist.ErrNotStore)
		}
		return nil, fmt.Errorf("%w: %w", persist.ErrReadOnly, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is not a regular file", persist.ErrNotStore)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (i *identity) close() error {
	opened.Lock()
	defer opened.Unlock()
	opened.files = slices.DeleteFunc(opened.files, func(o os.FileInfo) bool { return os.SameFile(o, i.info) })
	unclaim(i.file)
	errs := []error{i.file.Close()}
	if i.walFile != nil {
		errs = append(errs, i.walFile.Close())
	}
	for _, f := range i.kept {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// atPath is persist.ErrFileReplaced unless the file is the one at its path. A link there that
// leads to the file does not do: SQLite follows it, and takes the WAL from beside its target.
func (i *identity) atPath() error {
	for n, name := range i.names {
		look := os.Stat
		if n == 0 {
			look = os.Lstat
		}
		info, err := look(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: nothing is at its path", persist.ErrFileReplaced)
		case err != nil:
			return fmt.Errorf("%w: what is at its path cannot be looked at: %w", persist.ErrFileReplaced, err)
		case !os.SameFile(info, i.info):
			return fmt.Errorf("%w: another file is at its path", persist.ErrFileReplaced)
		}
	}
	return nil
}

// beside is errBeside unless the WAL and its index at the path are those that the
// connections use.
func (i *identity) beside() error {
	b := i.besides.Load()
	if b == nil {
		return nil
	}
	if b.wal != nil && !isAt(i.names[0]+"-wal", b.wal) || b.shm != nil && !isAt(i.names[0]+"-shm", b.shm) {
		return errBeside
	}
	return nil
}

func isAt(name string, ours os.FileInfo) bool {
	info := lstat(name)
	return info != nil && os.SameFile(info, ours)
}

var errBeside = fmt.Errorf("%w: its write-ahead log, or the index of that, was removed or replaced", persist.ErrFileReplaced)

// touched reports whether a file is not as we left it. Windows may tell the time of a
// write long after it.
func touched(left, now os.FileInfo) bool {
	return left == nil || now == nil || left.Size() != now.Size() ||
		runtime.GOOS != "windows" && !left.ModTime().Equal(now.ModTime())
}

// stat looks at the file and its WAL.
func (i *identity) stat() (main, wal os.FileInfo, err error) {
	if main, err = i.file.Stat(); err != nil {
		return nil, nil, err
	}
	wal, err = os.Lstat(i.names[0] + "-wal")
	return main, wal, err
}

// head reads the header of the WAL.
func (i *identity) head() [walHeaderBytes]byte {
	if i.walFile != nil {
		return headOf(i.walFile)
	}
	return readHead(i.names[0] + "-wal")
}

// learn takes the WAL and its index for those that the connections use, which have
// just been opened.
func (i *identity) learn() {
	i.wal = lstat(i.names[0] + "-wal")
	if i.walFile != nil {
		_ = i.walFile.Close() // it was read only
	}
	i.walFile = keepOpen(i.names[0] + "-wal")
	i.besides.Store(&besides{wal: i.wal, shm: lstat(i.names[0] + "-shm")})
}
