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

// A WAL says to which file it belongs: with each mark goes a link, a hash of the mark
// before, which is the one that the file had at that moment, and a checksum. A backup has
// a mark of its own.
//
//  1. A store is killed. Its last commits are in the WAL alone.
//  2. Somebody copies a backup over the file, and leaves the WAL where it is.
//  3. SQLite would put the pages of the WAL among those of the backup, whatever they hold.
//  4. Open reads the mark without the WAL and with it. Neither are they the same, nor
//     does the second follow the first, so it refuses.
//
// A copy that another tool made page by page, since the last checkpoint, does fit: with
// the WAL it is what the killed store was.

// linked is the value of a mark with its link: the digest of the mark that the file had
// before its epoch.
func linked(own, link []byte) []byte {
	v := append(bytes.Clone(own), link...)
	return append(v, digest(v)...)
}

// intact reports whether a value is one that linked has made.
func intact(v []byte) bool {
	return len(v) == 3*markBytes && bytes.Equal(digest(v[:2*markBytes]), v[2*markBytes:])
}

func digest(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:markBytes]
}

// errTorn is a mark that a power cut has left half written.
var errTorn = errors.New("the mark is torn")

// readLinked reads the mark that c sees, and the link; nothing if there is none yet.
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

// belongs refuses a WAL that does not belong to the file. c sees both, and inside is what
// is wrong with what it sees, nil if nothing is.
func belongs(cfg Config, c *sqlite.Conn, inside error) error {
	if size(cfg.Path+"-wal") == 0 {
		return inside
	}
	file, err := markOfFile(cfg)
	if err != nil {
		return inside // a power cut has torn it: SQLite takes its pages from the WAL
	}
	if inside != nil {
		if file != nil && errors.Is(openError(inside), persist.ErrNotStore) {
			return foreignWAL(cfg.Path, inside)
		}
		return inside
	}
	both, link, err := readLinked(c)
	if err == nil && !follows(both, file) && !bytes.Equal(link, digest(file)) {
		return foreignWAL(cfg.Path, errors.New("it goes on from another state of the database"))
	}
	return nil
}

// follows reports whether a mark is another or, in the same epoch, a later one.
func follows(later, own []byte) bool {
	if len(later) != markBytes || len(own) != markBytes {
		return bytes.Equal(later, own)
	}
	return bytes.Equal(epoch(later), epoch(own)) && number(later) >= number(own)
}

// foreignWAL says what to do.
func foreignWAL(path string, why error) error {
	return fmt.Errorf("%w: %s-wal: %w; if a backup was copied over %s, put it there with sessile.Restore, or move %s-wal away",
		persist.ErrForeignWAL, path, why, path, path)
}

// markOfFile reads the mark of the file as if it had no WAL.
func markOfFile(cfg Config) ([]byte, error) {
	c, err := connectAlone(cfg)
	if err != nil {
		return nil, err
	}
	own, _, err := readLinked(c)
	return own, errors.Join(err, c.Close())
}

// connectAlone opens a connection that neither sees the WAL nor makes files or locks.
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

// rewriteHeader has the first page of the file written, whatever a transaction changes.
func rewriteHeader(c *sqlite.Conn) error {
	version, err := queryText(c, `PRAGMA user_version`)
	if err != nil {
		return err
	}
	_, err = queryText(c, "PRAGMA user_version = "+version) // its page is written although it is the same
	return err
}
