package sqlite

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// A WAL names the file that it belongs to. Each mark is stored with a link and a checksum.
// The link is a hash of the mark that the file itself had when the mark's epoch began. A
// backup has a mark of its own.
//
// The link ends this story:
//
//  1. A store is killed. Its last commits are only in the WAL.
//  2. Somebody copies a backup over the file and leaves the WAL in place.
//  3. SQLite would mix pages of the WAL into the backup, whatever they contain.
//  4. Open reads the mark without the WAL and with it. The two differ, and the second is not
//     linked to the first. Open refuses.
//
// A page-by-page copy that another tool made since the last checkpoint does fit: with the
// WAL it is the state of the killed store.

// linked returns the stored value of a mark: the mark, its link and a checksum. The link is
// the digest of the mark that the file had before this epoch.
func linked(own, link []byte) []byte {
	v := append(bytes.Clone(own), link...)
	return append(v, digest(v)...)
}

// intact reports whether a stored value has a valid checksum.
func intact(v []byte) bool {
	return len(v) == 3*markBytes && bytes.Equal(digest(v[:2*markBytes]), v[2*markBytes:])
}

func digest(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:markBytes]
}

// errTorn means that a power cut left the mark half written.
var errTorn = errors.New("the mark is torn")

// readLinked reads the mark that c sees and its link; both are nil if there is none yet.
func readLinked(c *sqlite.Conn) (own, link []byte, err error) {
	err = query(c, `SELECT value FROM meta WHERE name = 'mark'`).rows(func(s *sqlite.Stmt) error {
		v := bytesOf(s, 0)
		if !intact(v) {
			return errTorn
		}
		own, link = v[:markBytes], v[markBytes:2*markBytes]
		return nil
	})
	return own, link, err
}

// belongs returns an error if the WAL does not belong to the file. c sees both. inside is the
// error from checking what c sees, or nil.
func belongs(cfg Config, c *sqlite.Conn, inside error) error {
	if size(cfg.Path+"-wal") == 0 {
		return inside
	}
	file, err := markOfFile(cfg)
	if err != nil {
		return inside // a power cut tore it: SQLite takes its pages from the WAL
	}
	if inside != nil {
		if file != nil && errors.Is(openError(inside), persist.ErrNotStore) {
			return foreignWAL(cfg.Path, inside)
		}
		return inside
	}
	both, link, err := readLinked(c)
	if err == nil && !follows(both, file) && !bytes.Equal(link, digest(file)) {
		return foreignWAL(cfg.Path, errors.New("it continues another state of the database"))
	}
	return nil
}

// follows reports whether later is the same mark as own, or a later one of the same epoch.
func follows(later, own []byte) bool {
	if len(later) != markBytes || len(own) != markBytes {
		return bytes.Equal(later, own)
	}
	return bytes.Equal(epoch(later), epoch(own)) && number(later) >= number(own)
}

// foreignWAL returns persist.ErrForeignWAL with the ways out.
func foreignWAL(path string, why error) error {
	return fmt.Errorf("%w: %s-wal: %w; if a backup was copied over %s, use sessile.Restore instead, or move %s-wal away",
		persist.ErrForeignWAL, path, why, path, path)
}

// markOfFile reads the mark of the file without its WAL. It returns an error if a checkpoint
// that a power cut ended has left the file, or the page of the mark alone, half written.
func markOfFile(cfg Config) ([]byte, error) {
	c, err := connectAlone(cfg)
	if err != nil {
		return nil, err
	}
	own, _, err := readLinked(c)
	if err == nil && own == nil {
		err = undamaged(c)
	}
	return own, errors.Join(err, c.Close())
}

// undamaged returns an error if the file is damaged: then it may have a mark that a search does not find.
func undamaged(c *sqlite.Conn) error {
	said, err := queryText(c, `PRAGMA quick_check(1)`)
	if err == nil && said != "ok" {
		err = errTorn
	}
	return err
}

// connectAlone opens a connection that ignores the WAL and creates no files or locks.
func connectAlone(cfg Config) (*sqlite.Conn, error) {
	return sqlite.OpenConn(aloneURI(cfg), sqlite.OpenReadOnly|sqlite.OpenURI)
}

func aloneURI(cfg Config) string {
	u := url.URL{Scheme: "file", Path: cfg.Path, RawQuery: "immutable=1"}
	if cfg.VFS != "" {
		u.RawQuery += "&vfs=" + url.QueryEscape(cfg.VFS)
	}
	return u.String()
}

// setMeta sets a row of the table meta.
func setMeta(c *sqlite.Conn, name string, value []byte) error {
	n, err := query(c, `UPDATE meta SET value = ?2 WHERE name = ?1`).text(name).blob(value).change()
	if err != nil || n > 0 {
		return err
	}
	_, err = query(c, `INSERT INTO meta (name, value) VALUES (?, ?)`).text(name).blob(value).change()
	return err
}

// rewriteHeader makes the transaction write the first page of the file.
func rewriteHeader(c *sqlite.Conn) error {
	version, err := queryText(c, `PRAGMA user_version`)
	if err != nil {
		return err
	}
	_, err = queryText(c, "PRAGMA user_version = "+version) // SQLite writes the page even if the value is the same
	return err
}
