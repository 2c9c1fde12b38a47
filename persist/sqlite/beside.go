package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sessile/sessile/persist"
)

// checkBeside refuses to open if a -wal, -shm or -journal file is not ours. In a directory
// that others can write to, such a file may be a link to anywhere, and SQLite would follow it.
func (i *identity) checkBeside() error {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if err := besideIsPlain(i.names[0]+suffix, i.info); err != nil {
			return err
		}
	}
	return nil
}

func besideIsPlain(name string, db os.FileInfo) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", persist.ErrReadOnly, err)
	}
	why := theirs(info, db)
	if info.Mode()&fs.ModeSymlink != 0 {
		why = "it is a symbolic link"
	} else if !info.Mode().IsRegular() {
		why = "it is not a regular file"
	}
	if why == "" {
		return nil
	}
	return fmt.Errorf("%w: %s cannot be used: %s", persist.ErrReadOnly, name, why)
}

// makePrivate sets mode 0600 on the database and on the files beside it.
func (i *identity) makePrivate() error {
	if err := private(i.file); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		info, err := os.Lstat(i.names[0] + suffix)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Perm() == 0o600 {
			continue
		}
		f, err := os.OpenFile(i.names[0]+suffix, os.O_RDWR|plain, 0)
		if err != nil {
			return err
		}
		i.kept = append(i.kept, f)
		if err := private(f); err != nil {
			return err
		}
	}
	return nil
}

// private sets mode 0600 on an open file.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Mode().Perm() == 0o600 {
		return err
	}
	return f.Chmod(0o600)
}
