package sqlite

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// Watch waits until ctx ends. SQLite does not report foreign writes; see Look.
func (d *DB) Watch(ctx context.Context, _ persist.Sink) error {
	<-ctx.Done()
	return nil
}

const (
	foreignText = "another program has written to the session file"
	backText    = "the session file is back at its path"
	warnLooks   = 60 // number of looks for which Inspect warns of another program
)

// Look detects what should never happen: another program wrote to the file in spite of the
// lock, or the open file is no longer the one at the path. Either resets everything that is
// cached. again asks for another call even if the store stays idle.
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

// look returns persist.ErrFileReplaced if new writes would be lost.
func (d *DB) look() error {
	err := d.present()
	if err == nil && d.mu.TryLock() { // otherwise a batch is running, which checks by itself
		err = replacedOf(d.verify())
		d.mu.Unlock()
	}
	return err
}

// verify checks everything that others may have changed.
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

// noticeBroken detects foreign commits while our own connection cannot write.
func (d *DB) noticeBroken() {
	if seen, err := queryInt(d.writer, dataVersion); err == nil && seen != d.seen {
		d.seen = seen
		d.foreign.Store(true)
		d.unsynced, d.others = true, true
	}
}

// warn sets the warning that Inspect returns.
func (d *DB) warn(text string) { d.warning.Store(&text) }
