package sessile

import (
	"context"
	"fmt"
	"time"

	"github.com/sessile/sessile/persist"
)

// RestoreReport says what a [Restore] has changed.
type RestoreReport struct {
	// Made is when the backup was made; zero if [Store.Backup] did not make it.
	Made time.Time
	// Sessions is how many active sessions the backup has.
	Sessions int
	// Revived is how many of them the old file no longer had: they were logged out or
	// evicted after the backup, and are valid again.
	Revived int
	// Rotated is how many of them had a newer token in the old file: it is not valid any
	// more, and the one before it is again.
	Rotated int
	// Lost is how many active sessions of the old file the backup does not have: their
	// users must log in again.
	Lost int
	// Replaced is the path of the old file, which is kept with its WAL; "" if there was none.
	Replaced string
	// Unreadable says why the old file could not be compared with the backup. Then
	// Revived, Rotated and Lost are zero.
	Unreadable error
}

// Restore puts a copy of a backup in the place of the session file at path. No store may
// have that file open ([ErrLocked]). Whatever else is there is fine: a store that was
// closed or killed, a damaged file, or nothing. The backup may be a copy that [Store.Backup]
// or another SQLite tool made, or the file of a store that was closed; it is checked first
// ([ErrNotStore], [ErrNewer]) and left as it is.
//
// The new file is on disk when Restore returns. A kill or a power cut leaves the old file
// or the new one: the next [Open] finishes what Restore has begun. Run it as the user that
// runs the store, because the new file belongs to whoever runs Restore.
//
// A restored backup knows nothing of the logouts since it was made. If the report says
// that sessions were revived, end those of the users concerned, or all of them.
//
// It needs the same import as [Open].
func Restore(ctx context.Context, backup, path string) (RestoreReport, error) {
	engine, err := persist.FileEngine()
	if err != nil {
		return RestoreReport{}, fmt.Errorf("restoring the session store: %w", err)
	}
	r, err := engine.Restore(ctx, backup, path, time.Now().UnixMicro())
	report := RestoreReport{
		Sessions: r.Sessions, Revived: r.Revived, Rotated: r.Rotated, Lost: r.Lost, Replaced: r.Kept, Unreadable: r.Unread,
	}
	if r.Made != 0 {
		report.Made = time.UnixMicro(r.Made)
	}
	if err != nil {
		return report, fmt.Errorf("restoring the session store: %w", err)
	}
	return report, nil
}
