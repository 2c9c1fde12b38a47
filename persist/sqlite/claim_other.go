//go:build !linux

package sqlite

import "os"

// claim does nothing: the lock file alone keeps a second store out. A lock on the
// database itself would be in SQLite's way.
func claim(*os.File) error { return nil }

func unclaim(*os.File) {}
