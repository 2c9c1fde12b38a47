// Package faultvfs puts a hook between SQLite and its files, for tests: every
// read, write, sync, truncation, opening and deletion can be recorded, failed or
// both. It needs unsafe, because SQLite's file system is a table of C function
// pointers in memory that Go does not own; so it lives among the test data, and
// nothing but tests can import it.
package faultvfs

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
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
)

// Call is one call to the file system. Path is empty for temporary files.
type Call struct {
	Op   Op
	Path string
	Off  int64
	Data []byte // Write only; valid during the call
}

// Verdict says what becomes of a call: with a Code other than 0 it fails with
// that SQLite result code, after it was made if Do is set, or without.
type Verdict struct {
	Code int32
	Do   bool
}

// VFS is a file system with a hook. It is SQLite's own in all else.
type VFS struct {
	Name string
	mu   sync.Mutex
	hook func(Call) Verdict
}

// Set replaces the hook; nil lets everything pass.
func (v *VFS) Set(hook func(Call) Verdict) {
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
	return hook(c)
}

// do makes a call as the hook decides.
func (v *VFS) do(c Call, call func() int32) int32 {
	d := v.ask(c)
	if d.Code != 0 && !d.Do {
		return d.Code
	}
	rc := call()
	if d.Code != 0 {
		return d.Code
	}
	return rc
}

// file is an open file: SQLite knows it by its address.
type file struct {
	vfs  *VFS
	path string
	real *lib.Tsqlite3_io_methods
}

// All there is is global: C code has no receiver.
var (
	mu      sync.Mutex
	base    *lib.Tsqlite3_vfs
	systems = map[uintptr]*VFS{}
	files   = map[uintptr]file{}
	tables  = map[uintptr]uintptr{} // SQLite's methods → ours
)

// New registers a file system under a name that no other has.
func New(name string) *VFS {
	mu.Lock()
	defer mu.Unlock()
	tls := libc.NewTLS()
	defer tls.Close()
	lib.Xsqlite3_initialize(tls)
	if base == nil {
		base = (*lib.Tsqlite3_vfs)(unsafe.Pointer(lib.Xsqlite3_vfs_find(tls, 0)))
	}
	p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	c := (*lib.Tsqlite3_vfs)(unsafe.Pointer(p))
	*c = *base
	zName, err := libc.CString(name)
	if err != nil {
		panic(err)
	}
	c.FpNext, c.FzName, c.FxOpen, c.FxDelete = 0, zName, pointer(xOpen), pointer(xDelete)
	if rc := lib.Xsqlite3_vfs_register(tls, p, 0); rc != 0 {
		panic(rc)
	}
	v := &VFS{Name: name}
	systems[p] = v
	return v
}

// pointer is a Go function as C code calls it.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) }

// function is a C function as Go calls it.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ p uintptr }{p})) }

func at(f uintptr) file {
	mu.Lock()
	defer mu.Unlock()
	return files[f]
}

func system(vfs uintptr) *VFS {
	mu.Lock()
	defer mu.Unlock()
	return systems[vfs]
}

func xOpen(tls *libc.TLS, vfs, name, f uintptr, flags int32, out uintptr) int32 {
	path := ""
	if name != 0 {
		path = libc.GoString(name)
	}
	v, head := system(vfs), (*lib.Tsqlite3_file)(unsafe.Pointer(f))
	head.FpMethods = 0
	rc := v.do(Call{Op: Open, Path: path}, func() int32 {
		return function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](base.FxOpen)(tls, vfs, name, f, flags, out)
	})
	if rc != 0 || head.FpMethods == 0 {
		return rc
	}
	mu.Lock()
	defer mu.Unlock()
	files[f] = file{v, path, (*lib.Tsqlite3_io_methods)(unsafe.Pointer(head.FpMethods))}
	ours, ok := tables[head.FpMethods]
	if !ok {
		ours = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_io_methods{})))
		m := (*lib.Tsqlite3_io_methods)(unsafe.Pointer(ours))
		*m = *files[f].real
		m.FxRead, m.FxWrite, m.FxTruncate, m.FxSync, m.FxClose = pointer(xRead), pointer(xWrite), pointer(xTruncate), pointer(xSync), pointer(xClose)
		tables[head.FpMethods] = ours
	}
	head.FpMethods = ours
	return rc
}

func xDelete(tls *libc.TLS, vfs, name uintptr, sync int32) int32 {
	return system(vfs).do(Call{Op: Delete, Path: libc.GoString(name)}, func() int32 {
		return function[func(*libc.TLS, uintptr, uintptr, int32) int32](base.FxDelete)(tls, vfs, name, sync)
	})
}

func xRead(tls *libc.TLS, f, buf uintptr, n int32, off int64) int32 {
	x := at(f)
	return x.vfs.do(Call{Op: Read, Path: x.path, Off: off}, func() int32 {
		return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](x.real.FxRead)(tls, f, buf, n, off)
	})
}

func xWrite(tls *libc.TLS, f, buf uintptr, n int32, off int64) int32 {
	x := at(f)
	return x.vfs.do(Call{Op: Write, Path: x.path, Off: off, Data: libc.GoBytes(buf, int(n))}, func() int32 {
		return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](x.real.FxWrite)(tls, f, buf, n, off)
	})
}

func xTruncate(tls *libc.TLS, f uintptr, size int64) int32 {
	x := at(f)
	return x.vfs.do(Call{Op: Truncate, Path: x.path, Off: size}, func() int32 {
		return function[func(*libc.TLS, uintptr, int64) int32](x.real.FxTruncate)(tls, f, size)
	})
}

func xSync(tls *libc.TLS, f uintptr, flags int32) int32 {
	x := at(f)
	return x.vfs.do(Call{Op: Sync, Path: x.path}, func() int32 {
		return function[func(*libc.TLS, uintptr, int32) int32](x.real.FxSync)(tls, f, flags)
	})
}

func xClose(tls *libc.TLS, f uintptr) int32 {
	mu.Lock()
	x := files[f]
	delete(files, f)
	mu.Unlock()
	return function[func(*libc.TLS, uintptr) int32](x.real.FxClose)(tls, f)
}
