package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// codeOf is the primary result code in err, ResultOK for nil, and ResultError for
// what does not come from SQLite.
func codeOf(err error) sqlite.ResultCode { return sqlite.ErrCode(err).ToPrimary() }

// ownFault reports whether err is one item's own fault, so that the rest of its
// batch can go on without it. Everything else is the disk's, or ours.
func ownFault(err error) bool {
	own := []sqlite.ResultCode{
		sqlite.ResultConstraint, sqlite.ResultCorrupt, sqlite.ResultTooBig, sqlite.ResultMismatch,
	}
	return errors.Is(err, persist.ErrCorrupt) || slices.Contains(own, codeOf(err))
}

// damaged adds persist.ErrCorrupt to what SQLite says of a page that it cannot read.
func damaged(err error) error {
	if codeOf(err) == sqlite.ResultCorrupt && !errors.Is(err, persist.ErrCorrupt) {
		return fmt.Errorf("%w: %w", persist.ErrCorrupt, err)
	}
	return err
}

// harmless reports whether a connection is as good after err as it was before:
// somebody else had a lock, or the caller's context ended.
func harmless(err error) bool {
	return slices.Contains([]sqlite.ResultCode{sqlite.ResultOK, sqlite.ResultBusy, sqlite.ResultInterrupt}, codeOf(err))
}

// openError says in the words of the contract why a store does not open.
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
		return fmt.Errorf("%w (which is no store, and holds a lock on the database): %w", persist.ErrLocked, err)
	default:
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
}

// errEnough ends a query early.
var errEnough = errors.New("enough rows")
