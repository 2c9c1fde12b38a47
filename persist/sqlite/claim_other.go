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

// isClaimed is not implemented on this system.
func isClaimed(*os.File) (bool, error) { return false, errors.ErrUnsupported }
