package sqlite

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// mark tells the states of the database file from one another. The first commit after
// each whole checkpoint writes 16 new random bytes into the table meta, so a copy of the file
// that was made before the last checkpoint, a backup for example, has other bytes than
// the file. When something that is not SQLite writes to the file, the time of the last
// write tells that, and the mark that the content is not ours any more.
type mark struct {
	inFile []byte   // what the file itself had when it was last looked at, nil if unknown
	inDB   []byte   // what the database has, the WAL counted in
	maybe  [][]byte // of commits whose outcome is unknown
	roots  []int64  // pages of meta that may be the one in the file; the last one is the database's
	page   int64    // size of a page, bytes

	unmarked [headerBytes]byte // the header of a file that has no mark yet
}

const markBytes = 16

// due reports whether the next commit needs a new mark.
func (m *mark) due() bool { return m.inDB == nil || bytes.Equal(m.inFile, m.inDB) }

// learn reads the mark of the database, and where it is.
func (m *mark) learn(c *sqlite.Conn) (err error) {
	if m.page, err = queryInt(c, `PRAGMA page_size`); err != nil {
		return err
	}
	if err := m.findRoot(c); err != nil {
		return err
	}
	m.maybe = nil
	return query(c, `SELECT value FROM meta WHERE name = 'mark'`).rows(func(s *sqlite.Stmt) error {
		if v := bytesOf(s, 0); len(v) >= markBytes {
			m.inDB = v[:markBytes]
		}
		return nil
	})
}

// findRoot notes the page of the table meta. VACUUM may move it, and the file has it
// where it was until a checkpoint.
func (m *mark) findRoot(c *sqlite.Conn) error {
	root, err := queryInt(c, `SELECT rootpage FROM sqlite_schema WHERE name = 'meta'`)
	if err != nil {
		return err
	}
	if n := len(m.roots); n > 0 && m.roots[n-1] == root {
		return nil
	}
	m.roots = append(m.roots, root)
	m.roots = m.roots[max(len(m.roots)-2, 0):]
	return nil
}

// renew gives the database a new mark, in the transaction of c, and returns it. The page
// of the schema is written with it, so that a WAL says by itself where its mark is.
func (m *mark) renew(c *sqlite.Conn) ([]byte, error) {
	next := make([]byte, markBytes)
	if _, err := rand.Read(next); err != nil {
		return nil, fmt.Errorf("making a mark: %w", err)
	}
	if err := setMeta(c, "mark", linked(next, m.inDB)); err != nil {
		return nil, err
	}
	return next, rewriteHeader(c)
}

// committed notes that the database has a mark.
func (m *mark) committed(next []byte) {
	if next != nil {
		m.inDB, m.maybe = next, nil
	}
}

// begin takes the content of the file for ours.
func (m *mark) begin(f *os.File) error {
	m.inFile = m.read(f)
	_, err := f.ReadAt(m.unmarked[:], 0)
	return err
}

// check judges the content of the file: it is that of a database with a WAL, and has a
// mark that it may have, or none as long as it never had one. Then it notes which.
func (m *mark) check(f *os.File) error {
	h, err := m.header(f)
	if err != nil {
		return err
	}
	found := m.read(f)
	if found == nil && (m.inFile != nil || h != m.unmarked) {
		return errOverwritten
	}
	m.inFile = found
	return nil
}

// settle is check after a checkpoint of our own, which may have written anything.
func (m *mark) settle(f *os.File, failed bool) error {
	h, err := m.header(f)
	if err != nil {
		return err
	}
	found := m.read(f)
	if found == nil && m.inFile != nil && !failed {
		return errOverwritten
	}
	m.inFile, m.unmarked = found, h
	return nil
}

// header reads the header of the file, if it is one that ours may have.
func (m *mark) header(f *os.File) (h [headerBytes]byte, err error) {
	if _, err := f.ReadAt(h[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			err = errOverwritten
		}
		return h, err
	}
	if string(h[:len(magic)]) != magic || h[18] != 2 || h[19] != 2 || pageSize(h[:]) != m.page { // 2: with a WAL
		err = errOverwritten
	}
	return h, err
}

// pageSize is the size of a page by the header of a database, bytes.
func pageSize(h []byte) int64 {
	if n := int64(binary.BigEndian.Uint16(h[16:])); n != 1 {
		return n
	}
	return 1 << 16
}

// read finds one of our marks in the file, nil if there is none.
func (m *mark) read(f *os.File) []byte {
	b := make([]byte, m.page)
	for _, root := range m.roots {
		if _, err := f.ReadAt(b, (root-1)*m.page); err != nil {
			continue
		}
		for _, k := range append([][]byte{m.inDB, m.inFile}, m.maybe...) {
			if len(k) == markBytes && bytes.Contains(b, k) {
				return k
			}
		}
	}
	return nil
}

var (
	errOverwritten = fmt.Errorf("%w: the file was overwritten", persist.ErrReplaced)
	errShortened   = fmt.Errorf("%w: the file was cut short", persist.ErrReplaced)
	errLogChanged  = fmt.Errorf("%w: the write-ahead log was overwritten or cut short", persist.ErrReplaced)
)

// final reports an error after which the file is not ours any more, whatever happens.
func final(err error) bool {
	return errors.Is(err, errOverwritten) || errors.Is(err, errShortened) || errors.Is(err, errLogChanged)
}
