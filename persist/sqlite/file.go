package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// prepareFile makes sure that there is a file that is ours and can be written,
// with mode 0600 whatever the umask: SQLite gives the same to its WAL (S51).
// Until it is sure it reads only. It returns the connection that looked, if any.
func (d *DB) prepareFile() (*sqlite.Conn, error) {
	if err := d.lookAtFile(); err != nil {
		return nil, err
	}
	c, err := d.lookInside()
	if err != nil {
		return nil, err
	}
	if err := d.id.makePrivate(); err != nil {
		err = fmt.Errorf("%w: %w", persist.ErrReadOnly, err)
		if c != nil {
			err = errors.Join(err, c.Close())
		}
		return nil, err
	}
	return c, nil
}

// lookAtFile opens or creates the file, claims it and judges its first bytes.
func (d *DB) lookAtFile() (err error) {
	if d.id, err = openIdentity(d.cfg.Path, d.cfg.given); err != nil {
		return err
	}
	if err := d.id.checkBeside(); err != nil {
		return err
	}
	err = checkHeader(d.id.file, d.id.info.Size())
	if errors.Is(err, persist.ErrNotStore) && d.recoverable() {
		return nil // lookInside judges what SQLite makes of it
	}
	return err
}

// recoverable reports whether SQLite may have its reasons not to find a header: a
// power cut can leave anything of a page that was being written, and the page is
// in the WAL then, or a journal takes the file back.
func (d *DB) recoverable() bool {
	return size(d.cfg.Path+"-wal") > 0 || unfinished(d.cfg.Path)
}

// headerBytes is the length of the header of an SQLite file. Its fields are at
// the offsets that https://sqlite.org/fileformat2.html gives.
const headerBytes = 100

// magic is how the header begins.
const magic = "SQLite format 3\x00"

// checkHeader judges the bytes of a file before SQLite sees it.
func checkHeader(f io.ReaderAt, size int64) error {
	if size == 0 {
		return nil
	}
	var h [headerBytes]byte
	if n, err := f.ReadAt(h[:], 0); n < len(h) {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it is too short for a database", persist.ErrNotStore)
		}
		return fmt.Errorf("reading the header: %w", err)
	}
	if string(h[:len(magic)]) != magic {
		return fmt.Errorf("%w: it is not an SQLite database", persist.ErrNotStore)
	}
	return checkMarks(int64(int32(binary.BigEndian.Uint32(h[68:]))), int64(binary.BigEndian.Uint32(h[60:])))
}

// checkMarks judges an application id and a schema version. A database without
// either may be new: lookInside tells.
func checkMarks(app, version int64) error {
	switch {
	case app != applicationID && app != 0:
		return fmt.Errorf("%w: it is the database of another application", persist.ErrNotStore)
	case app == applicationID && version > int64(len(migrations())):
		return fmt.Errorf("%w: its schema is %d, this version knows %d", persist.ErrNewer, version, len(migrations()))
	case app == 0 && version != 0:
		return fmt.Errorf("%w: it is the database of another application", persist.ErrNotStore)
	default:
		return nil
	}
}

// lookInside reads a database that is not empty through a connection that
// cannot write: what is only in its WAL yet counts, and stays there.
func (d *DB) lookInside() (_ *sqlite.Conn, err error) {
	if d.id.info.Size() == 0 && size(d.cfg.Path+"-wal") == 0 {
		return nil, nil
	}
	c, err := connect(d.cfg, sqlite.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	if err := belongs(d.cfg, c, checkContent(c)); err != nil {
		err = errors.Join(err, c.Close())
		if codeOf(err) == sqlite.ResultReadOnly && unfinished(d.cfg.Path) {
			return nil, d.startOver()
		}
		return nil, err
	}
	return c, nil
}

// unfinished reports whether a rollback journal takes its database back to
// nothing, or to one page, which has no table: the first Open was killed before it came
// to use a WAL. A connection that cannot write cannot follow such a journal.
func unfinished(path string) bool {
	f, err := os.Open(path + "-journal")
	if err != nil {
		return false
	}
	defer f.Close()
	var h [20]byte // https://sqlite.org/fileformat2.html#rollbackjournal
	if _, err := io.ReadFull(f, h[:]); err != nil {
		return false
	}
	if string(h[:len(journalMagic)]) != journalMagic { // torn: the database stays as it is
		return blank(path)
	}
	return binary.BigEndian.Uint32(h[16:]) <= 1
}

// blank reports whether a database is as one without tables is before it has a WAL.
func blank(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	n := size(path)
	return n <= newPage && checkHeader(f, n) == nil
}

const (
	journalMagic = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	newPage      = 4096 // bytes of a page in a new file
)

// startOver empties a file that its journal would take back to nothing. SQLite would do
// the same, but for the header: it would take it back to one without a WAL, and use the
// WAL that is there all the same.
func (d *DB) startOver() error {
	if n, err := frames(d.cfg.Path + "-wal"); err == nil && n > 0 {
		return nil // that was not us
	}
	if err := errors.Join(d.id.file.Truncate(0), d.id.file.Sync()); err != nil {
		return err
	}
	for _, suffix := range []string{"-journal", "-wal"} {
		if err := os.Remove(d.cfg.Path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(filepath.Dir(d.cfg.Path))
}

// checkContent judges a database by what is in it: nothing at all, or a store.
func checkContent(c *sqlite.Conn) error {
	app, err := queryInt(c, `PRAGMA application_id`)
	if err != nil {
		return err
	}
	version, err := queryInt(c, `PRAGMA user_version`)
	if err != nil {
		return err
	}
	if err := checkMarks(app, version); err != nil {
		return err
	}
	things, err := queryInt(c, `SELECT count(*) FROM sqlite_schema`)
	if err != nil {
		return err
	}
	if app == 0 {
		if things > 0 {
			return fmt.Errorf("%w: it is the database of another application", persist.ErrNotStore)
		}
		return nil
	}
	_, err = storeKey(c)
	return err
}
