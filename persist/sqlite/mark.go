package sqlite

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// mark tells the states of the database file from one another. Each commit writes one into
// the table meta: an epoch, which is random and new with the first commit after each whole
// checkpoint, and a number, which grows with each commit. When something writes to the file
// that is not this process, the time of the last write tells that, and the mark whether the
// content is still ours:
//
//   - The mark of an epoch that is unknown is that of a backup, or of another file.
//   - A number that goes back is that of a copy from before a checkpoint.
//   - Once the file has everything that the WAL has, its mark is that of the last commit. A
//     copy of the same epoch that is older lacks what the WAL has lost at that checkpoint.
//
// A copy of the same epoch that was made since the last checkpoint does no harm: what is
// younger is in the WAL.
type mark struct {
	inFile []byte   // what the file itself had when it was last looked at, nil if unknown
	inDB   []byte   // what the database has, the WAL counted in
	link   []byte   // of inDB, see linked
	maybe  [][]byte // of commits whose outcome is unknown
	last   uint64   // number that was used last
	least  uint64   // number that the file has at least, if its epoch is that of inFile
	roots  []int64  // pages of meta that may be the one in the file; the last one is the database's
	page   int64    // size of a page, bytes
}

const (
	markBytes  = 16
	epochBytes = 8
)

// epoch and number are the parts of a mark.
func epoch(own []byte) []byte  { return own[:epochBytes] }
func number(own []byte) uint64 { return binary.BigEndian.Uint64(own[epochBytes:]) }

// due reports whether the next commit begins a new epoch.
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
	return m.adopt(c, true)
}

// adopt reads the mark that c sees. If it is not the one that we know, somebody has written
// a backup over ours as a transaction, and the file may have any of both; or over the file
// itself, if the WAL has nothing.
func (m *mark) adopt(c *sqlite.Conn, inWAL bool) error {
	own, link, err := readLinked(c)
	switch {
	case errors.Is(err, errTorn), err == nil && (own == nil || bytes.Equal(own, m.inDB)):
		return nil
	case err != nil:
		return err
	case !inWAL && !m.isLast(own):
		return errOverwritten
	}
	m.inDB, m.link, m.least = own, link, 0
	m.last = max(m.last, number(own))
	return nil
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

// renew gives the database the first mark of an epoch, in the transaction of c, and returns
// its value. The page of the schema is written with it, so that a WAL says by itself where
// its mark is.
func (m *mark) renew(c *sqlite.Conn) (value []byte, err error) {
	next := make([]byte, markBytes)
	if _, err := rand.Read(epoch(next)); err != nil {
		return nil, fmt.Errorf("making a mark: %w", err)
	}
	value = linked(next, digest(m.inDB))
	if err := setMeta(c, "mark", value); err != nil {
		return nil, err
	}
	return value, rewriteHeader(c)
}

// step gives the database the next mark of its epoch.
func (m *mark) step(c *sqlite.Conn) (value []byte, err error) {
	m.last++
	value = linked(binary.BigEndian.AppendUint64(bytes.Clone(epoch(m.inDB)), m.last), m.link)
	return value, setMeta(c, "mark", value)
}

// committed notes that the database has a mark.
func (m *mark) committed(value []byte) {
	m.inDB, m.link, m.maybe = value[:markBytes], value[markBytes:2*markBytes], nil
}

// begin takes the content of the file for ours.
func (m *mark) begin(f *os.File) { m.found(m.read(f)) }

// check judges the content of the file: it is that of a database with a WAL, and has a
// mark that it may have. It has none until the first whole checkpoint: one that a reader
// stops leaves out what was written later, so each page that every commit writes. Then it
// notes which. all says that the file had everything before check was called.
func (m *mark) check(f *os.File, all bool) error {
	if err := m.header(f); err != nil {
		return err
	}
	found := m.read(f)
	if found == nil && (m.inFile != nil || all && m.inDB != nil) || m.goesBack(found, all) {
		return errOverwritten
	}
	m.found(found)
	return nil
}

// goesBack reports whether a mark that was found in the file is older than one that it had,
// or than the last one if it should have everything.
func (m *mark) goesBack(found []byte, all bool) bool {
	if found == nil {
		return false
	}
	older := m.inFile != nil && bytes.Equal(epoch(found), epoch(m.inFile)) && number(found) < m.least
	return older || all && !m.isLast(found)
}

// found notes the mark that the file has.
func (m *mark) found(own []byte) {
	m.inFile, m.least = own, 0
	if own != nil {
		m.least = number(own)
	}
}

// isLast reports whether a mark is that of the last commit, as far as is known.
func (m *mark) isLast(own []byte) bool {
	return bytes.Equal(own, m.inDB) || slices.ContainsFunc(m.maybe, func(k []byte) bool { return bytes.Equal(k, own) })
}

// settle is check after an action of our own, which may have written anything if it failed.
func (m *mark) settle(f *os.File, all, failed bool) error {
	if err := m.header(f); err != nil {
		return err
	}
	found := m.read(f)
	if !failed && (found == nil && m.inFile != nil || m.goesBack(found, all)) {
		return errOverwritten
	}
	m.found(found)
	return nil
}

// header is errOverwritten if the file has not a header that ours may have.
func (m *mark) header(f *os.File) error {
	var h [headerBytes]byte
	if _, err := f.ReadAt(h[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			err = errOverwritten
		}
		return err
	}
	if string(h[:len(magic)]) != magic || h[18] != 2 || h[19] != 2 || pageSize(h[:]) != m.page { // 2: with a WAL
		return errOverwritten
	}
	return nil
}

// pageSize is the size of a page by the header of a database, bytes.
func pageSize(h []byte) int64 {
	if n := int64(binary.BigEndian.Uint16(h[16:])); n != 1 {
		return n
	}
	return 1 << 16
}

// read finds the youngest of our marks in the file, nil if there is none.
func (m *mark) read(f *os.File) []byte {
	b := make([]byte, m.page)
	for _, root := range m.roots {
		if _, err := f.ReadAt(b, (root-1)*m.page); err != nil {
			continue
		}
		for _, k := range append([][]byte{m.inDB, m.inFile}, m.maybe...) {
			if len(k) != markBytes {
				continue
			}
			if own := youngest(b, epoch(k)); own != nil {
				return own
			}
		}
	}
	return nil
}

// youngest finds the mark of an epoch with the highest number in a page.
func youngest(page, epoch []byte) (own []byte) {
	for {
		i := bytes.Index(page, epoch)
		if i < 0 || len(page) < i+3*markBytes {
			return own
		}
		if v := page[i : i+3*markBytes]; intact(v) && (own == nil || number(v) > number(own)) {
			own = bytes.Clone(v[:markBytes])
		}
		page = page[i+epochBytes:]
	}
}

var (
	errOverwritten = fmt.Errorf("%w: the file was overwritten", persist.ErrFileReplaced)
	errShortened   = fmt.Errorf("%w: the file was cut short", persist.ErrFileReplaced)
	errLogChanged  = fmt.Errorf("%w: the write-ahead log was overwritten or cut short", persist.ErrFileReplaced)
)

// final reports an error after which the file is not ours any more, whatever happens.
func final(err error) bool {
	return errors.Is(err, errOverwritten) || errors.Is(err, errShortened) || errors.Is(err, errLogChanged)
}
