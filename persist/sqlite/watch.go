package sqlite

import (
	"context"
	"os"
	"time"

	"github.com/sessile/sessile/persist"
)

// watchEvery is how often Watch looks: two stats and a pragma.
const watchEvery = time.Second

// Watch notices what must not happen: that another program writes to the file
// although the lock is ours, and that what is at the path is no longer the file
// that is open, so that what is written now is lost at the next start (D27). Both
// leave a warning and have everything cached read anew. It ends with ctx.
func (d *DB) Watch(ctx context.Context, s persist.Sink) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.look(s)
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *DB) look(s persist.Sink) {
	d.lookForWriters()
	if d.foreign.Swap(false) {
		d.warn("another program has written to the session file")
		s.Reset("another program has written to the session file")
	}
	if (d.replaced() || d.walReplaced()) && d.warn("the session file was removed or replaced: what is written now is lost at the next start") {
		s.Reset("the session file was removed or replaced")
	}
}

// warn sets the warning, and reports whether it is news.
func (d *DB) warn(text string) bool {
	old := d.warning.Swap(&text)
	return old == nil || *old != text
}

// lookForWriters asks the writer connection. While a batch is under way there is
// no need: the next one looks by itself.
func (d *DB) lookForWriters() {
	if !d.mu.TryLock() {
		return
	}
	defer d.mu.Unlock()
	if d.broken || d.writer == nil {
		return
	}
	seen, err := queryInt(d.writer, dataVersion)
	if err != nil || seen == d.seen {
		return
	}
	d.seen = seen
	d.foreign.Store(true)
	if n, err := queryInt(d.writer, countGuests); err == nil {
		d.guests = int(n)
	}
}

// walReplaced reports whether the WAL at the path is not the writer's.
func (d *DB) walReplaced() bool {
	if !d.mu.TryLock() {
		return false
	}
	defer d.mu.Unlock()
	if d.broken || d.wal == nil {
		return false
	}
	info, err := os.Stat(d.cfg.Path + "-wal")
	return err != nil || !os.SameFile(info, d.wal)
}
