package persist

import "errors"

// Errors of a backend. Test for them with errors.Is.
var (
	// ErrNotFound means that the session does not exist.
	ErrNotFound = errors.New("session not found")
	// ErrCorrupt means that the session exists but cannot be read.
	ErrCorrupt = errors.New("stored session is unreadable")
	// ErrUnavailable means that the backend certainly did nothing.
	ErrUnavailable = errors.New("session storage unavailable")
	// ErrUnknown means that the backend may have done it.
	ErrUnknown = errors.New("outcome of the session write is unknown")
	// ErrLocked means that another process has the store open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrNewer means that a newer version of the software wrote the store.
	ErrNewer = errors.New("store was written by a newer version")
	// ErrNotStore means that the file is not a session store, or is damaged.
	ErrNotStore = errors.New("not a session store")
	// ErrFileReplaced means that the open file is no longer the one at its path, or that it
	// was overwritten. New writes would be lost. It comes with ErrUnavailable or ErrUnknown.
	ErrFileReplaced = errors.New("the session file was removed, replaced or overwritten")
	// ErrForeignWAL means that the write-ahead log beside the store belongs to another file.
	ErrForeignWAL = errors.New("the write-ahead log belongs to another file")
	// ErrInvalidQuery means that a [Query] is out of range.
	ErrInvalidQuery = errors.New("invalid session query")
	// ErrReadOnly means that the store cannot be written.
	ErrReadOnly = errors.New("store is not writable")
)
