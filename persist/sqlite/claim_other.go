//go:build !linux

package sqlite

import (
	"errors"
	"os"
)

// claim does nothing here. Only the lock file keeps a second store out, because a lock on
// the database itself would hinder SQLite.
func claim(*os.File) error { return nil }

func unclaim(*os.File) {}

// isClaimed returns errors.ErrUnsupported: no lock on the file tells whether a store has it open.
func isClaimed(*os.File) (bool, error) { return false, errors.ErrUnsupported }
