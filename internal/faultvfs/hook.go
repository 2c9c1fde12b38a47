package faultvfs

import (
	"sync"
	"time"
)

// Op is a kind of file system call.
type Op string

// The calls that reach the hook.
const (
	Open     Op = "open"
	Delete   Op = "delete"
	Read     Op = "read"
	Write    Op = "write"
	Truncate Op = "truncate"
	Sync     Op = "sync"
	Lock     Op = "lock" // of the file or of the WAL index; unlocking does not reach the hook
)

// Call is one call to the file system.
type Call struct {
	Op   Op
	Path string // "" for a temporary file
	Off  int64  // Read, Write: offset in bytes; Truncate: the new size
	Size int    // Read, Write: bytes
	Data []byte // Write: valid only during the call
	Dir  bool   // Delete: also sync the directory
}

// Verdict says what happens to a call. The zero Verdict lets it pass.
type Verdict struct {
	Delay time.Duration // start the call this much later
	Code  int32         // fail the call with this SQLite result code, without making it
	Do    bool          // make the call before it fails
	Keep  int           // a failing Write is torn: only this many first bytes are written
	Drop  bool          // report success without making the call; a Read returns zeros
}

// Hook decides what happens to a call. Several goroutines may call it concurrently. It may block, which
// stalls the disk.
type Hook func(Call) Verdict

// VFS is SQLite's own file system with a hook.
type VFS struct {
	Name  string
	hurry bool // see NewForBubble
	mu    sync.Mutex
	hook  Hook
}

// Set replaces the hook. nil lets every call pass.
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
		_ = call() // the call fails in any case
	}
	return d.Code
}

// SQLite result codes for disk failures.
const (
	WriteFails = 10 | 3<<8 // SQLITE_IOERR_WRITE
	SyncFails  = 10 | 4<<8 // SQLITE_IOERR_FSYNC
	Full       = 13        // SQLITE_FULL
)
