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

// mark identifies the states of the database file. Each commit writes a mark into the table
// meta: an epoch and a number. The epoch is random and changes with the first commit after
// each complete checkpoint. The number grows with each commit.
//
// The file's modification time shows that another program wrote to it. The mark then shows
// whether the content is still ours:
//
//   - An unknown epoch belongs to a backup or to another file.
//   - A number that went back belongs to a copy from before a checkpoint.
//   - Once the file contains the whole WAL, its mark must be that of the last commit. An
//     older copy of the same epoch lacks what that checkpoint removed from the WAL.
//
// An older copy of the same epoch that was made since the last checkpoint does no harm:
// everything newer is in the WAL.
type mark struct {
	inFile []byte   // mark in the file itself at the last check, nil if unknown
	inDB   []byte   // mark of the database, including the WAL
	link   []byte   // link of inDB, see linked
	maybe  [][]byte // marks of commits with an unknown outcome
	last   uint64   // last number that was used
	least  uint64   // smallest number the file can have, if its epoch is that of inFile
	roots  []int64  // pages where the file's meta table may be; the last is the database's
	page   int64    // page size, bytes
}

const (
	markBytes  = 16
	epochBytes = 8
)

// epoch and number return the two parts of a mark.
func epoch(own []byte) []byte  { return own[:epochBytes] }
func number(own []byte) uint64 { return binary.BigEndian.Uint64(own[epochBytes:]) }

// due reports whether the next commit starts a new epoch.
func (m *mark) due() bool { return m.inDB == nil || bytes.Equal(m.inFile, m.inDB) }

// learn reads the mark of the database and its location.
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

// adopt reads the mark that c sees. If it is unknown, somebody restored a backup over our
// database. They did it in a transaction, so that the file may have either mark, or they
// overwrote the file itself, if the WAL is empty.
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

// findRoot records the page of the table meta. VACUUM may move it, and until a checkpoint the
// file still has it at the old place.
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

// renew writes the first mark of a new epoch in the transaction of c, and returns its value.
// It also rewrites the page of the schema, so that a WAL alone shows where its mark is.
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

// step writes the next mark of the current epoch.
func (m *mark) step(c *sqlite.Conn) (value []byte, err error) {
	m.last++
	value = linked(binary.BigEndian.AppendUint64(bytes.Clone(epoch(m.inDB)), m.last), m.link)
	return value, setMeta(c, "mark", value)
}

// committed records that the database has a mark.
func (m *mark) committed(value []byte) {
	m.inDB, m.link, m.maybe = value[:markBytes], value[markBytes:2*markBytes], nil
}

// begin accepts the current content of the file as ours.
func (m *mark) begin(f *os.File) { m.found(m.read(f)) }

// check checks the content of the file, then records its mark. The file must be a WAL-mode
// database with a mark that it may have. It has no mark before the first complete
// checkpoint: a checkpoint that a reader cuts short skips pages that were written later, and
// every commit writes the page of the mark. all says that the file already contained
// everything before the call.
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

// goesBack reports whether the mark that was found is older than one the file had before, or
// older than the last one if the file should contain everything.
func (m *mark) goesBack(found []byte, all bool) bool {
	if found == nil {
		return false
	}
	older := m.inFile != nil && bytes.Equal(epoch(found), epoch(m.inFile)) && number(found) < m.least
	return older || all && !m.isLast(found)
}

// found records the mark that the file has.
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

// settle is check after an action of our own. If the action failed, any mark is possible.
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

// header returns errOverwritten if the file's header cannot be ours.
func (m *mark) header(f *os.File) error {
	var h [headerBytes]byte
	if _, err := f.ReadAt(h[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			err = errOverwritten
		}
		return err
	}
	if string(h[:len(magic)]) != magic || h[18] != 2 || h[19] != 2 || pageSize(h[:]) != m.page { // 2: WAL mode
		return errOverwritten
	}
	return nil
}

// pageSize returns the page size in a database header, in bytes.
func pageSize(h []byte) int64 {
	if n := int64(binary.BigEndian.Uint16(h[16:])); n != 1 {
		return n
	}
	return 1 << 16
}

// read returns the newest of our marks in the file, or nil.
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

// youngest returns the mark of an epoch with the highest number in a page.
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
	errShortened   = fmt.Errorf("%w: the file was truncated", persist.ErrFileReplaced)
	errLogChanged  = fmt.Errorf("%w: the write-ahead log was overwritten or truncated", persist.ErrFileReplaced)
)

// final reports whether err means that the file is permanently no longer ours.
func final(err error) bool {
	return errors.Is(err, errOverwritten) || errors.Is(err, errShortened) || errors.Is(err, errLogChanged)
}
