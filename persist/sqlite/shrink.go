package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

const (
	// slackPages is how many free pages a file may have in any case, 1 MiB; more than that
	// it may have a third of the others, which the next sessions use.
	slackPages = 256
	// giveBack gives back 64 free pages at most: whoever waits for the commit waits less
	// than a millisecond longer.
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

// shrink gives some free pages back to the file system with the commit: the next
// checkpoint shortens the file.
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

// shrinkIdle does the same when nobody commits. It reports whether there is more to do.
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
