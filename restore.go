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
	// Ended is how many of the active sessions in the backup are not in the new file, because
	// [RestoreOptions] ended them.
	Ended int
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
// zero, end the sessions of the users concerned, or all of them. [RestoreWith] can end them before
// the new file is used.
//
// Restore needs the same import as [Open].
func Restore(ctx context.Context, backup, path string) (RestoreReport, error) {
	return RestoreWith(ctx, backup, path, RestoreOptions{})
}

// RestoreOptions say what [RestoreWith] does besides replacing the file. Sessions that it ends are
// deleted from the copy before the copy replaces the old file, so nobody can use them in between.
type RestoreOptions struct {
	// EndRevived ends the sessions that were logged out or evicted after the backup, and those whose
	// old token would be valid again. It needs an old file that can be read: otherwise RestoreWith
	// returns an error and changes nothing.
	EndRevived bool
	// EndSince ends the sessions whose last access in the backup was at that time or later. Zero ends
	// none.
	EndSince time.Time
	// Confirm, if it is set, is called with the report before the old file is touched. If it returns an
	// error, RestoreWith changes nothing and returns the error.
	Confirm func(RestoreReport) error
}

// RestoreWith is [Restore] with options. No store can open the file while it runs, Confirm included.
func RestoreWith(ctx context.Context, backup, path string, o RestoreOptions) (RestoreReport, error) {
	engine, err := persist.FileEngine()
	if err != nil {
		return RestoreReport{}, fmt.Errorf("restoring the session store: %w", err)
	}
	options := persist.RestoreOptions{Now: time.Now().UnixMicro(), EndRevived: o.EndRevived}
	if !o.EndSince.IsZero() {
		options.EndSince = max(o.EndSince.UnixMicro(), 1)
	}
	if o.Confirm != nil {
		options.Confirm = func(r persist.Restored) error { return o.Confirm(newRestoreReport(r)) }
	}
	r, err := engine.Restore(ctx, backup, path, options)
	if err != nil {
		return newRestoreReport(r), fmt.Errorf("restoring the session store: %w", err)
	}
	return newRestoreReport(r), nil
}

func newRestoreReport(r persist.Restored) RestoreReport {
	report := RestoreReport{
		Sessions: r.Sessions, Revived: r.Revived, Rotated: r.Rotated, Lost: r.Lost, Ended: r.Ended, Replaced: r.Kept, Unreadable: r.Unread,
	}
	if r.Made != 0 {
		report.Made = time.UnixMicro(r.Made)
	}
	return report
}
