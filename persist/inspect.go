package persist

import "context"

// Backuper is implemented by a backend that can copy itself to a file.
type Backuper interface {
	// Backup writes a consistent, integrity-checked copy with mode 0600 to path. path must
	// not exist.
	Backup(ctx context.Context, path string) error
}

// Info is a backend's description of its condition.
type Info struct {
	FileBytes int64
	WALBytes  int64
	Warning   string // why the backend is degraded, or ""
	Failed    error  // why new writes would be lost at a restart, or nil
}

// Inspector is implemented by a backend that can describe its condition. Inspect costs a
// few stat calls. It does more I/O only if those show a change.
type Inspector interface{ Inspect() Info }
