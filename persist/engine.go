package persist

import (
	"context"
	"errors"
	"sync/atomic"
)

// Engine opens and restores session files. A program links one with a blank import of its
// package, which registers it. It is safe for concurrent use.
type Engine interface {
	// CheckPath returns why path cannot be the path of a session file. It does no I/O.
	CheckPath(path string) error
	// Open opens or creates the file. What it writes is on disk when it returns. Errors:
	// ErrLocked, ErrNewer, ErrNotStore, ErrForeignWAL, ErrReadOnly, ErrUnavailable, the context's.
	Open(ctx context.Context, f FileOptions) (Backend, error)
	// Restore replaces the file at path by a copy of backup. The copy is on disk when it
	// returns. Sessions that have ended by now are not counted. Errors: those of Open.
	Restore(ctx context.Context, backup, path string, now int64) (Restored, error)
}

// FileOptions say which session file to open.
type FileOptions struct {
	Path       string
	CreateDirs bool // makes the directory, with mode 0700, if it is missing; else that is an error
}

// Restored says what a restore has done.
type Restored struct {
	Made     int64  // when the backup was made, microseconds; 0 if [Backuper] did not make it
	Sessions int    // active ones in the backup
	Revived  int    // of those: not in the file that was replaced, so logged out or evicted since
	Rotated  int    // of those: have an older token again
	Lost     int    // active ones of the file that was replaced that are not in the backup
	Kept     string // where that file is now, with its WAL; empty if there was none
	Unread   error  // why that file could not be compared; nil if it was, or if there was none
}

// RegisterEngine makes e the engine of session files. The package of an engine calls it
// when the program starts. A second call panics: the program links two engines.
func RegisterEngine(e Engine) { engines.register(e) }

// FileEngine returns the registered engine. The error names the import to add.
func FileEngine() (Engine, error) { return engines.file() }

// engines is what blank imports have registered. Only a variable of the package can be
// filled before main, and only that keeps the engine out of programs that do not import it.
var engines registry //nolint:gochecknoglobals // see docs/decisions/engines.md

// registry holds one engine at most.
type registry struct{ engine atomic.Pointer[Engine] }

func (r *registry) register(e Engine) {
	if !r.engine.CompareAndSwap(nil, &e) {
		panic("persist: RegisterEngine was called twice: a program has one engine of session files")
	}
}

func (r *registry) file() (Engine, error) {
	if e := r.engine.Load(); e != nil {
		return *e, nil
	}
	return nil, errNoEngine
}

var errNoEngine = errors.New(`the program links no engine of session files: add import _ "github.com/sessile/sessile/persist/sqlite"`)
