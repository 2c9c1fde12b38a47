package persist

import (
	"context"
	"errors"
	"sync/atomic"
)

// Engine opens and restores session files. A program registers one by a blank import of the
// engine's package. An Engine is safe for concurrent use.
type Engine interface {
	// CheckPath returns an error if path cannot be a session file. It does no I/O.
	CheckPath(path string) error
	// Open opens or creates the file. Everything that Open writes is on disk when it returns.
	// Errors: ErrLocked, ErrNewer, ErrNotStore, ErrForeignWAL, ErrReadOnly, ErrUnavailable,
	// and those of the context.
	Open(ctx context.Context, f FileOptions) (Backend, error)
	// Restore replaces the file at path with a copy of backup. The copy is on disk when
	// Restore returns. Errors: those of Open.
	Restore(ctx context.Context, backup, path string, o RestoreOptions) (Restored, error)
}

// RestoreOptions say what a restore does besides replacing the file.
type RestoreOptions struct {
	Now        int64                // microseconds; sessions that have ended by now are not counted
	EndRevived bool                 // ends the sessions that Restored.Revived and Rotated count
	EndSince   int64                // ends sessions whose last access was then or later, microseconds; 0 ends none
	Confirm    func(Restored) error // asked before the old file is touched; an error ends the restore
}

// FileOptions say which session file to open, and how.
type FileOptions struct {
	Path       string
	CreateDirs bool // create a missing directory with mode 0700; without it a missing directory is an error
}

// Restored reports what a restore did.
type Restored struct {
	Made     int64  // when the backup was made, microseconds; 0 if [Backuper] did not make it
	Sessions int    // active sessions in the backup
	Revived  int    // of those, sessions that the replaced file lacks: logged out or evicted since the backup
	Rotated  int    // of those, sessions that have an older token again
	Lost     int    // active sessions of the replaced file that are not in the backup
	Ended    int    // active sessions of the backup that the options ended in the new file
	Kept     string // where the replaced file is now, with its WAL; "" if there was none
	Unread   error  // why the replaced file could not be compared; nil if it was, or if there was none
}

// RegisterEngine makes e the engine for session files. An engine's package calls it from
// init. It panics if an engine is already registered.
func RegisterEngine(e Engine) { engines.register(e) }

// FileEngine returns the registered engine. Without one, the error names the import to add.
func FileEngine() (Engine, error) { return engines.file() }

// engines holds the engine that a blank import registered. It has to be a package variable:
// only init can fill it without the root importing the engine, which would link it into
// every program.
var engines registry //nolint:gochecknoglobals // see docs/decisions/engines.md

// registry holds at most one engine.
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
