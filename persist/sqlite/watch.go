package sqlite

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// Watch waits for the end of ctx: nobody tells what others do to the file. See Look.
func (d *DB) Watch(ctx context.Context, _ persist.Sink) error {
	<-ctx.Done()
	return nil
}

const (
	foreignText = "another program has written to the session file"
	backText    = "the session file is the one at its path again"
	warnLooks   = 60 // looks for which Inspect tells of another program
)

// Look notices what must not happen: that another program writes to the file although
// the lock is ours, and that what is at the path is no longer the file that is open
// (D27). Both have everything cached read anew. It reports whether it should be called
// again although nobody uses the store.
func (d *DB) Look(s persist.Sink) (again bool) {
	failed := d.look()
	old := d.failed.Swap(&failed)
	switch {
	case d.foreign.Swap(false):
		d.warned.Store(warnLooks)
		s.Reset(foreignText)
	case d.warned.Load() > 0:
		d.warned.Add(-1)
	}
	wasFailed := old != nil && *old != nil
	switch {
	case failed != nil && !wasFailed:
		s.Reset(failed.Error())
	case failed == nil && wasFailed:
		s.Reset(backText)
	}
	more := failed == nil && d.shrinkIdle()
	return more || failed != nil || d.warned.Load() > 0
}

// look is persist.ErrFileReplaced if what is written now would be lost.
func (d *DB) look() error {
	err := d.present()
	if err == nil && d.mu.TryLock() { // else a batch is under way, which looks by itself
		err = replacedOf(d.verify())
		d.mu.Unlock()
	}
	return err
}

// verify looks at everything that others may have changed.
func (d *DB) verify() error {
	if d.over {
		return nil
	}
	if err := d.present(); err != nil {
		return err
	}
	d.lock.restore(d.cfg.Path)
	if err := d.ready(); err != nil {
		return err
	}
	if d.broken {
		d.noticeBroken()
		return nil
	}
	return d.lookAtFiles()
}

// noticeBroken looks for commits of others while our own connection cannot write.
func (d *DB) noticeBroken() {
	if seen, err := queryInt(d.writer, dataVersion); err == nil && seen != d.seen {
		d.seen = seen
		d.foreign.Store(true)
		d.unsynced, d.others = true, true
	}
}

// warn sets the warning.
func (d *DB) warn(text string) { d.warning.Store(&text) }
