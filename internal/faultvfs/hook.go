package faultvfs

import (
	"sync"
	"time"
)

// Op is a kind of call.
type Op string

// The calls that pass the hook.
const (
	Open     Op = "open"
	Delete   Op = "delete"
	Read     Op = "read"
	Write    Op = "write"
	Truncate Op = "truncate"
	Sync     Op = "sync"
	Lock     Op = "lock" // of the file or of the WAL's index; unlocking never passes
)

// Call is one call to the file system.
type Call struct {
	Op   Op
	Path string // empty for a temporary file
	Off  int64  // of Read and Write, bytes; the new size for Truncate
	Size int    // of Read and Write, bytes
	Data []byte // of Write; valid during the call
	Dir  bool   // Delete: the directory is synced too
}

// Verdict says what becomes of a call. The zero Verdict lets it pass.
type Verdict struct {
	Delay time.Duration // it begins so much later
	Code  int32         // it fails with this SQLite result code, and is not made
	Do    bool          // it is made before it fails
	Keep  int           // a Write that fails is made for its first bytes: it is torn
	Drop  bool          // it reports success and is not made; a Read gives zeros
}

// Hook decides what becomes of a call. It may be called by several goroutines at
// once, and may block: then the disk is stalled.
type Hook func(Call) Verdict

// VFS is a file system with a hook. It is SQLite's own in all else.
type VFS struct {
	Name  string
	hurry bool // see NewForBubble
	mu    sync.Mutex
	hook  Hook
}

// Set replaces the hook; nil lets everything pass.
func (v *VFS) Set(hook Hook) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hook = hook
}

func (v *VFS) ask(c Call) Verdict {
	v.mu.Lock()
	hook := v.hook
	v.mu.Unlock()
	if hook == nil {
		return Verdict{}
	}
	d := hook(c)
	if d.Delay > 0 {
		<-time.After(d.Delay)
	}
	return d
}

// do makes a call as the hook decides.
func (v *VFS) do(c Call, call func() int32) int32 {
	d := v.ask(c)
	switch {
	case d.Drop && c.Op != Open:
		return 0
	case d.Code == 0:
		return call()
	case d.Do:
		_ = call() // it fails anyhow
	}
	return d.Code
}

// Result codes of SQLite for what goes wrong with a disk.
const (
	WriteFails = 10 | 3<<8 // SQLITE_IOERR_WRITE
	SyncFails  = 10 | 4<<8 // SQLITE_IOERR_FSYNC
	Full       = 13        // SQLITE_FULL
)
