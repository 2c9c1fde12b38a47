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

// prepareFile makes sure that the file is ours and writable, with mode 0600 whatever the
// umask. SQLite gives the WAL the same mode. Until prepareFile is sure, it only reads. It
// returns the connection that it read with, if any.
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

// lookAtFile opens or creates the file, claims it and checks its first bytes.
func (d *DB) lookAtFile() (err error) {
	if d.id, err = openIdentity(d.cfg.Path, d.cfg.given); err != nil {
		return err
	}
	if err := d.id.checkBeside(); err != nil {
		return err
	}
	err = checkHeader(d.id.file, d.id.info.Size())
	if errors.Is(err, persist.ErrNotStore) && d.recoverable() {
		return nil // lookInside checks it after SQLite has recovered it
	}
	return err
}

// recoverable reports whether SQLite may be able to repair a broken header. A power cut can
// leave any content in a page that was being written. The page is then in the WAL, or a
// rollback journal restores it.
func (d *DB) recoverable() bool {
	return size(d.cfg.Path+"-wal") > 0 || unfinished(d.cfg.Path)
}

// headerBytes is the length of the header of an SQLite file. The field offsets are from
// https://sqlite.org/fileformat2.html.
const headerBytes = 100

// magic is the start of the header.
const magic = "SQLite format 3\x00"

// checkHeader checks the header of a file before SQLite opens it.
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

// checkMarks checks an application ID and a schema version. A database with neither may be
// new; lookInside finds out.
func checkMarks(app, version int64) error {
	switch {
	case app != applicationID && app != 0:
		return fmt.Errorf("%w: it belongs to another application", persist.ErrNotStore)
	case app == applicationID && version > int64(len(migrations())):
		return fmt.Errorf("%w: schema %d (this version supports up to %d)", persist.ErrNewer, version, len(migrations()))
	case app == 0 && version != 0:
		return fmt.Errorf("%w: it belongs to another application", persist.ErrNotStore)
	default:
		return nil
	}
}

// lookInside reads a non-empty database through a connection that cannot write. It sees
// content that is only in the WAL, and leaves it there.
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

// unfinished reports whether a rollback journal would truncate the database to nothing, or
// to one page without tables. That happens if the first Open was killed before it switched
// to a WAL. A connection that cannot write cannot roll such a journal back.
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
	if string(h[:len(journalMagic)]) != journalMagic { // torn: SQLite ignores it
		return blank(path)
	}
	return binary.BigEndian.Uint32(h[16:]) <= 1
}

// blank reports whether a database has no tables and no WAL mode yet.
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
	newPage      = 4096 // page size of a new file, bytes
)

// startOver empties a file that its journal would truncate to nothing. SQLite would do
// almost the same. But it would restore a header without WAL mode, and still use the WAL
// that exists.
func (d *DB) startOver() error {
	if n, err := frames(d.cfg.Path + "-wal"); err == nil && n > 0 {
		return nil // the WAL has commits, so it is not our unfinished creation
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

// checkContent accepts a database only if it is empty or a session store.
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
			return fmt.Errorf("%w: it belongs to another application", persist.ErrNotStore)
		}
		return nil
	}
	_, err = storeKey(c)
	return err
}
