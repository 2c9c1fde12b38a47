package sessile

import (
	"context"
	"fmt"
	"time"

	"github.com/sessile/sessile/persist"
)

// RestoreReport says what [Restore] changed.
type RestoreReport struct {
	// Made is when the backup was made. It is zero if [Store.Backup] did not make it.
	Made time.Time
	// Sessions is the number of active sessions in the backup.
	Sessions int
	// Revived is how many of them the old file no longer had. They were logged out or evicted after
	// the backup, and are valid again.
	Revived int
	// Rotated is how many of them had a newer token in the old file. The newer token is no longer
	// valid, and the one in the backup is valid again.
	Rotated int
	// Lost is how many active sessions of the old file are not in the backup. Their users must log in
	// again.
	Lost int
	// Replaced is the path where Restore keeps the old file and its WAL. It is "" if there was no old
	// file.
	Replaced string
	// Unreadable says why the old file could not be compared with the backup. Revived, Rotated and
	// Lost are zero then.
	Unreadable error
}

// Restore replaces the session file at path with a copy of a backup. No store may have that file
// open ([ErrLocked]). The file may belong to a store that was closed or killed, may be damaged, or
// may be missing.
//
// The backup may come from [Store.Backup] or another SQLite tool, or be the file of a closed store.
// Restore checks it first ([ErrNotStore], [ErrNewer]) and leaves it unchanged.
//
// The new file is on disk when Restore returns nil. A kill or a power cut leaves either the old
// file or the new one: the next [Open] finishes an interrupted Restore. Run Restore as the user
// that runs the store, because the new file belongs to the user that runs Restore.
//
// A restored backup does not contain the logouts since it was made. If RestoreReport.Revived is not
// zero, end the sessions of the users concerned, or all of them.
//
// Restore needs the same import as [Open].
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
