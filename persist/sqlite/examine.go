package sqlite

import (
	"errors"
	"os"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// present returns persist.ErrFileReplaced unless the open file is the one at the path and was
// not overwritten. It costs one stat per name of the file.
func (d *DB) present() error {
	if lost := d.lost.Load(); lost != nil {
		return *lost
	}
	return d.id.atPath()
}

// lose records that the file is permanently no longer ours, if err says so.
func (d *DB) lose(err error) error {
	if final(err) {
		d.lost.CompareAndSwap(nil, &err)
	}
	return err
}

// left records the state of the files after an action of this process, which may have
// failed. Any later difference is the work of others. What others did during the action
// has to show in the content.
func (d *DB) left(failed bool) error {
	main, wal, err := d.id.stat()
	if main == nil {
		return err
	}
	if touched(d.id.main, main) {
		if seen, err := queryInt(d.writer, dataVersion); err == nil && seen != d.seen {
			return nil // another program committed meanwhile; examine checks the result
		}
		all := d.allBack()
		// Both checks run, because the connection may fail to count the pages.
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

// examine checks what other programs did to the files. The transaction on c keeps other
// writers out. foreign reports whether cached data may be stale.
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
		foreign = true // for example a checkpoint by another program
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

// checkSize checks the size of a database file that was written to. While pages are only
// in the WAL, the file may have fewer pages than the database, but it never shrinks.
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

// allBack reports whether the whole WAL is in the file, so that the file alone must be
// complete. Like countedFrames, it asks another connection than the writer.
func (d *DB) allBack() bool {
	if d.guard == nil {
		return false
	}
	frames, done, err := progress(d.guard)
	return err == nil && frames == done
}

// checkWAL checks a WAL that was written to. It must contain the frames that its index
// counts. If nobody has committed, it must be the WAL that we know.
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

// countedFrames returns how many frames of the WAL are committed, according to its index.
// It asks the guard, because the writer is in a transaction.
func (d *DB) countedFrames() (n int64, err error) {
	n, _, err = progress(d.guard)
	return n, err
}

// checkLength returns errLogChanged if the WAL is shorter than its index says. It runs
// before any statement, because no statement could read such a WAL.
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
	if err == nil && short && before > 0 && before == after { // otherwise another program has emptied the WAL
		err = d.lose(errLogChanged)
	}
	return err
}

// lookAtFiles examines the files if they changed since our last action, or if another
// program has committed.
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

// untouched reports whether the files are as we left them.
func (d *DB) untouched() bool {
	seen := int64(-1)
	err := query(d.writer, dataVersion).rows(func(s *sqlite.Stmt) error { seen = s.ColumnInt64(0); return nil })
	if err != nil || seen != d.seen {
		return false
	}
	main, wal, err := d.id.stat()
	return err == nil && !touched(d.id.main, main) && !touched(d.id.wal, wal)
}

// replacedOf returns err if it is persist.ErrFileReplaced, and nil otherwise.
func replacedOf(err error) error {
	if errors.Is(err, persist.ErrFileReplaced) {
		return err
	}
	return nil
}
