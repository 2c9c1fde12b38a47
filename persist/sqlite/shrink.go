package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

const (
	// slackPages is the number of free pages that a file may always keep, 1 MiB. Beyond that,
	// free pages may make up a quarter of the file, because new sessions will use them.
	slackPages = 256
	// giveBack returns at most 64 free pages, which makes the commit less than a millisecond
	// slower.
	giveBack = `PRAGMA incremental_vacuum(64)`
)

// excess reports whether the file has more free pages than it should keep.
func excess(c *sqlite.Conn) (bool, error) {
	var free, all int64
	err := query(c, `PRAGMA freelist_count`).rows(func(s *sqlite.Stmt) error { free = s.ColumnInt64(0); return nil })
	if err != nil || free <= slackPages {
		return false, err
	}
	err = query(c, `PRAGMA page_count`).rows(func(s *sqlite.Stmt) error { all = s.ColumnInt64(0); return nil })
	return free > all/4, err
}

// shrink returns some free pages to the file system as part of the commit. The next checkpoint
// shortens the file.
func (t *transaction) shrink() error {
	if !t.db.shrinks {
		return nil
	}
	more, err := excess(t.c)
	if err != nil || !more {
		return err
	}
	return query(t.c, giveBack).rows(func(*sqlite.Stmt) error { return nil })
}

// shrinkIdle does the same while nobody commits. It reports whether more remains to be done.
func (d *DB) shrinkIdle() bool {
	if !d.mu.TryLock() {
		return true
	}
	defer d.mu.Unlock()
	if d.over || d.broken || !d.shrinks {
		return false
	}
	more, err := excess(d.writer)
	if err != nil || !more {
		return false
	}
	_, err = d.apply(context.Background(), &persist.Batch{})
	return err == nil
}
