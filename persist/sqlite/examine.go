package sqlite

import (
	"errors"
	"os"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// present is persist.ErrFileReplaced unless the file that is open is the one at the path
// and has not been overwritten. It costs a stat for each name.
func (d *DB) present() error {
	if lost := d.lost.Load(); lost != nil {
		return *lost
	}
	return d.id.atPath()
}

// lose notes that the file is not ours any more, for good.
func (d *DB) lose(err error) error {
	if final(err) {
		d.lost.CompareAndSwap(nil, &err)
	}
	return err
}

// left notes how an action of this process, which may have failed, has left the files:
// whatever is different later is the work of others. What others did while it went on
// must show in the content.
func (d *DB) left(failed bool) error {
	main, wal, err := d.id.stat()
	if main == nil {
		return err
	}
	if touched(d.id.main, main) {
		if seen, err := queryInt(d.writer, dataVersion); err == nil && seen != d.seen {
			return nil // another program has committed meanwhile: examine judges what it has left
		}
		all := d.allBack()
		// Both, because the connection may not even be able to count the pages.
		if err := errors.Join(d.checkSize(d.writer, main), d.id.mark.settle(d.id.file, all, failed)); err != nil {
			return d.lose(err)
		}
	}
	d.id.main = main
	d.noteWAL(wal)
	return nil
}

func (d *DB) noteWAL(wal os.FileInfo) {
	if b := d.id.besides.Load(); wal != nil && b != nil && b.wal != nil && os.SameFile(wal, b.wal) {
		d.id.wal, d.id.walHead = wal, d.id.head()
	}
}

// examine looks for what others have done to the files. The transaction of c keeps
// other writers out. It reports whether anything cached may be outdated.
func (d *DB) examine(c *sqlite.Conn) (foreign bool, err error) {
	seen := d.seen
	err = query(c, dataVersion).rows(func(s *sqlite.Stmt) error { seen = s.ColumnInt64(0); return nil })
	if err != nil {
		return false, err
	}
	main, wal, err := d.id.stat()
	if err != nil {
		return false, errors.Join(errBeside, err)
	}
	committed := seen != d.seen || d.others
	if foreign = committed; committed {
		frames, err := d.countedFrames()
		if err == nil {
			err = d.id.mark.adopt(c, frames > 0)
		}
		if err != nil {
			return false, d.lose(err)
		}
	}
	if touched(d.id.main, main) {
		foreign = true // a checkpoint of another program, for example
		if err := d.id.mark.findRoot(c); err != nil {
			return false, err
		}
		if err := errors.Join(d.checkSize(c, main), d.id.mark.check(d.id.file, d.allBack())); err != nil {
			return false, d.lose(err)
		}
	}
	if touched(d.id.wal, wal) {
		if err := d.checkWAL(committed); err != nil {
			return false, d.lose(err)
		}
	}
	d.id.main, d.seen, d.others = main, seen, false
	d.noteWAL(wal)
	return foreign, nil
}

// checkSize judges the size of a database file that was written to. It may have fewer
// pages than the database while the others are in the WAL only, but it loses none.
func (d *DB) checkSize(c *sqlite.Conn, now os.FileInfo) error {
	pages, err := queryInt(c, `PRAGMA page_count`)
	if err != nil || now.Size() >= pages*d.id.mark.page {
		return err
	}
	if now.Size() >= d.id.main.Size() && !d.allBack() {
		return nil
	}
	return errShortened
}

// allBack reports whether the file has everything that the WAL has, so that it must be
// whole by itself. Like countedFrames it asks another connection.
func (d *DB) allBack() bool {
	if d.guard == nil {
		return false
	}
	frames, done, err := progress(d.guard)
	return err == nil && frames == done
}

// checkWAL judges a WAL that was written to: it must hold the frames that its index
// counts, and if nobody has committed it must be the one that we know.
func (d *DB) checkWAL(committed bool) error {
	counted, err := d.countedFrames()
	if err != nil || counted <= 0 {
		return err
	}
	if !committed && readHead(d.cfg.Path+"-wal") != d.id.walHead {
		return errLogChanged
	}
	there, err := frames(d.cfg.Path + "-wal")
	if err == nil && there < counted {
		err = errLogChanged
	}
	return err
}

// countedFrames is how many frames of the WAL are committed, by its index. Another
// connection must be asked than the one in a transaction.
func (d *DB) countedFrames() (n int64, err error) {
	n, _, err = progress(d.guard)
	return n, err
}

// checkLength is errLogChanged if the WAL is shorter than its index says. No statement
// could read from it.
func (d *DB) checkLength() error {
	if d.id.wal == nil || d.guard == nil || size(d.id.names[0]+"-wal") >= d.id.wal.Size() {
		return nil
	}
	before, err := d.countedFrames()
	if err != nil {
		return err
	}
	short := size(d.id.names[0]+"-wal") < walHeaderBytes+before*(frameHeaderBytes+d.id.mark.page)
	after, err := d.countedFrames()
	if err == nil && short && before > 0 && before == after { // else another program has emptied it
		err = d.lose(errLogChanged)
	}
	return err
}

// lookAtFiles examines the files if they are not as we left them, or if another program
// has committed.
func (d *DB) lookAtFiles() (err error) {
	if d.untouched() {
		return nil
	}
	end, err := sqlitex.ImmediateTransaction(d.writer)
	if err != nil {
		return err
	}
	defer end(&err)
	foreign, err := d.examine(d.writer)
	if err != nil || !foreign {
		return err
	}
	d.foreign.Store(true)
	guests, err := queryInt(d.writer, countGuests)
	if err == nil {
		d.guests = int(guests)
		d.idle.forget()
	}
	return err
}

// untouched reports whether everything is as we left it.
func (d *DB) untouched() bool {
	seen := int64(-1)
	err := query(d.writer, dataVersion).rows(func(s *sqlite.Stmt) error { seen = s.ColumnInt64(0); return nil })
	if err != nil || seen != d.seen {
		return false
	}
	main, wal, err := d.id.stat()
	return err == nil && !touched(d.id.main, main) && !touched(d.id.wal, wal)
}

// replacedOf is err if it says that the file is not ours.
func replacedOf(err error) error {
	if errors.Is(err, persist.ErrFileReplaced) {
		return err
	}
	return nil
}
