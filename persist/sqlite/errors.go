package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// codeOf returns the primary result code of err: ResultOK for nil, and ResultError for an
// error that does not come from SQLite.
func codeOf(err error) sqlite.ResultCode { return sqlite.ErrCode(err).ToPrimary() }

// ownFault reports whether only the one item failed, so that the rest of its batch can be
// committed. Every other error is the disk's fault or our own.
func ownFault(err error) bool {
	own := []sqlite.ResultCode{
		sqlite.ResultConstraint, sqlite.ResultCorrupt, sqlite.ResultTooBig, sqlite.ResultMismatch,
	}
	return errors.Is(err, persist.ErrCorrupt) || slices.Contains(own, codeOf(err))
}

// damaged adds persist.ErrCorrupt to SQLite's error for a page that it cannot read.
func damaged(err error) error {
	if codeOf(err) == sqlite.ResultCorrupt && !errors.Is(err, persist.ErrCorrupt) {
		return fmt.Errorf("%w: %w", persist.ErrCorrupt, err)
	}
	return err
}

// harmless reports whether a connection is still usable after err: another program held a
// lock, or the caller's context ended.
func harmless(err error) bool {
	return slices.Contains([]sqlite.ResultCode{sqlite.ResultOK, sqlite.ResultBusy, sqlite.ResultInterrupt}, codeOf(err))
}

// openError translates an error of Open into one of the contract's errors.
func openError(err error) error {
	for _, known := range []error{
		persist.ErrLocked, persist.ErrNewer, persist.ErrForeignWAL, persist.ErrNotStore, persist.ErrReadOnly, persist.ErrUnavailable,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	switch codeOf(err) {
	case sqlite.ResultNotADB, sqlite.ResultCorrupt:
		return fmt.Errorf("%w: it is damaged: %w", persist.ErrNotStore, err)
	case sqlite.ResultReadOnly, sqlite.ResultCantOpen, sqlite.ResultPerm, sqlite.ResultAuth:
		return fmt.Errorf("%w: %w", persist.ErrReadOnly, err)
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return fmt.Errorf("%w (not a session store: it holds a lock on the database): %w", persist.ErrLocked, err)
	default:
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
}

// errEnough stops a query early.
var errEnough = errors.New("enough rows")
