package sqlite

import (
	"context"
	"os"
	"time"

	"github.com/sessile/sessile/persist"
)

// watchEvery is how often Watch looks: two cheap calls.
const watchEvery = time.Second

// Watch notices what must not happen: that another program writes to the file
// although the lock is ours, or that the file at the path is no longer the one
// that is open (D27). Both make the DB degraded, and memory is read anew.
func (d *DB) Watch(ctx context.Context, s persist.Sink) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if d.foreignWrite() {
			d.warn("another program writes to the file")
			s.Reset("another program has written to the file")
		}
		if d.replaced() && d.warn("the file was removed or replaced: new sessions will be lost with the old file") {
			s.Reset("the file was removed or replaced")
		}
	}
}

// warn sets the warning, and reports whether it is news.
func (d *DB) warn(text string) bool {
	old := d.warning.Swap(&text)
	return old == nil || *old != text
}

// foreignWrite compares the writer's data_version, which its own commits do not
// change. While a batch is under way it looks again later.
func (d *DB) foreignWrite() bool {
	if !d.mu.TryLock() {
		return false
	}
	defer d.mu.Unlock()
	if d.broken || d.writer == nil {
		return false
	}
	v, err := queryInt(d.writer, `PRAGMA data_version`)
	if err != nil || v == d.version {
		return false
	}
	d.version = v
	return true
}

func (d *DB) replaced() bool {
	info, err := os.Stat(d.cfg.Path)
	return err != nil || !os.SameFile(info, d.file)
}
