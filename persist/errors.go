package persist

import "errors"

// Errors of a backend, to be tested with errors.Is.
var (
	// ErrNotFound: there is no such session.
	ErrNotFound = errors.New("session not found")
	// ErrCorrupt: the session is there but cannot be read.
	ErrCorrupt = errors.New("stored session is unreadable")
	// ErrUnavailable: the backend did not do it, surely.
	ErrUnavailable = errors.New("session storage unavailable")
	// ErrUnknown: the backend may have done it.
	ErrUnknown = errors.New("outcome of the session write is unknown")
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrNewer: the store was written by a newer version of the software.
	ErrNewer = errors.New("store was written by a newer version")
	// ErrNotStore: the file is not a session store, or is damaged.
	ErrNotStore = errors.New("not a session store")
	// ErrFileReplaced: the file of the store is not the one at its path, or was overwritten:
	// what is written now is lost. It comes with ErrUnavailable or ErrUnknown.
	ErrFileReplaced = errors.New("the session file was removed, replaced or overwritten")
	// ErrForeignWAL: the write-ahead log beside the store belongs to another file.
	ErrForeignWAL = errors.New("the write-ahead log belongs to another file")
	// ErrReadOnly: the store cannot be written.
	ErrReadOnly = errors.New("store is not writable")
)
