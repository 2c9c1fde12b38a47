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

// identity identifies the file that Open opened, and records the state in which this process
// left it and its WAL. If another file is at the path, new writes would be lost at the next
// start.
type identity struct {
	names []string    // the resolved path, and the given path if it leads there by links
	file  *os.File    // opened before SQLite's connections and closed after them: closing it drops their locks
	info  os.FileInfo // of file, at Open
	kept  []*os.File  // more files to close with it, for the same reason

	besides atomic.Pointer[besides]

	main    os.FileInfo // state of the file after our last action
	wal     os.FileInfo // state of its WAL, nil if unknown
	walHead [walHeaderBytes]byte
	walFile *os.File // to reread the header; nil where an open file could not be deleted
	mark    mark
}

// besides are the WAL and the index that the connections use, nil if unknown.
type besides struct{ wal, shm os.FileInfo }

// opened lists the files that this process has open, under any name. POSIX locks belong to
// the process: opening and closing a file a second time would drop the locks of the store
// that opened it first.
//
//nolint:gochecknoglobals // so are the locks
var opened struct {
	sync.Mutex
	files []os.FileInfo
}

// openIdentity opens or creates the file at path and claims it.
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

// openPlain opens or creates a file, and refuses anything but a regular file.
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

// atPath returns persist.ErrFileReplaced unless the open file is the one at its path. A link at
// the path to the file is not enough: SQLite follows it and would use the WAL beside the
// link's target.
func (i *identity) atPath() error {
	for n, name := range i.names {
		look := os.Stat
		if n == 0 {
			look = os.Lstat
		}
		info, err := look(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: no file is at its path", persist.ErrFileReplaced)
		case err != nil:
			return fmt.Errorf("%w: checking its path failed: %w", persist.ErrFileReplaced, err)
		case !os.SameFile(info, i.info):
			return fmt.Errorf("%w: another file is at its path", persist.ErrFileReplaced)
		}
	}
	return nil
}

// beside returns errBeside unless the WAL and the index at the path are those that the
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

var errBeside = fmt.Errorf("%w: its write-ahead log or WAL index was removed or replaced", persist.ErrFileReplaced)

// touched reports whether a file changed since we left it. It ignores modification times
// on Windows, which reports them late.
func touched(left, now os.FileInfo) bool {
	return left == nil || now == nil || left.Size() != now.Size() ||
		runtime.GOOS != "windows" && !left.ModTime().Equal(now.ModTime())
}

// stat returns the state of the file and of its WAL.
func (i *identity) stat() (main, wal os.FileInfo, err error) {
	if main, err = i.file.Stat(); err != nil {
		return nil, nil, err
	}
	wal, err = os.Lstat(i.names[0] + "-wal")
	return main, wal, err
}

// head returns the header of the WAL.
func (i *identity) head() [walHeaderBytes]byte {
	if i.walFile != nil {
		return headOf(i.walFile)
	}
	return readHead(i.names[0] + "-wal")
}

// learn records the WAL and the index at the path as those of the connections. It is called
// when the connections have just been opened.
func (i *identity) learn() {
	i.wal = lstat(i.names[0] + "-wal")
	if i.walFile != nil {
		_ = i.walFile.Close() // it was only read
	}
	i.walFile = keepOpen(i.names[0] + "-wal")
	i.besides.Store(&besides{wal: i.wal, shm: lstat(i.names[0] + "-shm")})
}
