// Package faultvfs puts a hook between SQLite and its files, for tests. Every read, write, sync,
// truncate, open, delete and lock can be recorded, delayed, failed, torn or dropped. The package owns
// the table of C function pointers for this, in memory outside the Go heap. It is the only package that
// imports unsafe. It does not know what is in the files. A [VFS] is safe for concurrent use.
package faultvfs

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// file is an open file. SQLite knows it by its address.
type file struct {
	vfs  *VFS
	path string
	real *lib.Tsqlite3_io_methods
}

// registry finds the Go objects for C code, which has no receivers.
type registry struct {
	mu      sync.Mutex
	base    *lib.Tsqlite3_vfs
	systems map[uintptr]*VFS
	files   map[uintptr]file
	tables  map[uintptr]uintptr // SQLite's method tables → ours
}

//nolint:gochecknoglobals // the functions of a VFS are called by C code, by address alone
var all = registry{systems: map[uintptr]*VFS{}, files: map[uintptr]file{}, tables: map[uintptr]uintptr{}}

// New registers a file system under a unique name for the life of the process.
func New(name string) *VFS {
	all.mu.Lock()
	defer all.mu.Unlock()
	tls := libc.NewTLS()
	defer tls.Close()
	lib.Xsqlite3_initialize(tls)
	if all.base == nil {
		all.base = pointed[lib.Tsqlite3_vfs](lib.Xsqlite3_vfs_find(tls, 0))
	}
	p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	c := pointed[lib.Tsqlite3_vfs](p)
	*c = *all.base
	zName, err := libc.CString(name)
	if err != nil {
		panic(err)
	}
	c.FpNext, c.FzName, c.FxOpen, c.FxDelete, c.FxSleep = 0, zName, address(xOpen), address(xDelete), address(xSleep)
	if rc := lib.Xsqlite3_vfs_register(tls, p, 0); rc != 0 {
		panic(rc)
	}
	v := &VFS{Name: name}
	all.systems[p] = v
	return v
}

// NewForBubble is New for tests in a synctest bubble. SQLite waits for a lock by the machine's clock
// while it holds mutexes of ours. The time of the bubble stands still meanwhile, so the owner of the
// lock cannot release it. Here SQLite therefore gives up after 10 ms instead of ten seconds. Outside a
// bubble, 10 ms may be too short for a busy machine.
func NewForBubble(name string) *VFS {
	v := New(name)
	v.hurry = true
	return v
}

// pointed returns the object at an address. It avoids a conversion that go vet rejects. That is safe,
// because the memory is outside the Go heap, so nothing moves or frees it.
func pointed[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// address returns the address at which C code can call a Go function.
func address[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// function returns the Go function for the address of a C function.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ p uintptr }{p})) }

func at(f uintptr) file {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.files[f]
}

func system(vfs uintptr) *VFS {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.systems[vfs]
}

func xOpen(tls *libc.TLS, vfs, name, f uintptr, flags int32, out uintptr) int32 {
	path := ""
	if name != 0 {
		path = libc.GoString(name)
	}
	v, head := system(vfs), pointed[lib.Tsqlite3_file](f)
	head.FpMethods = 0
	rc := v.do(Call{Op: Open, Path: path}, func() int32 {
		return function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](all.base.FxOpen)(tls, vfs, name, f, flags, out)
	})
	if head.FpMethods == 0 {
		return rc
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.files[f] = file{v, path, pointed[lib.Tsqlite3_io_methods](head.FpMethods)}
	ours, ok := all.tables[head.FpMethods]
	if !ok {
		ours = hooked(tls, head.FpMethods)
		all.tables[head.FpMethods] = ours
	}
	head.FpMethods = ours
	return rc
}

// hooked copies a method table and inserts our methods.
func hooked(tls *libc.TLS, methods uintptr) uintptr {
	p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_io_methods{})))
	m := pointed[lib.Tsqlite3_io_methods](p)
	*m = *pointed[lib.Tsqlite3_io_methods](methods)
	m.FxRead, m.FxWrite, m.FxTruncate, m.FxSync = address(xRead), address(xWrite), address(xTruncate), address(xSync)
	m.FxLock, m.FxClose = address(xLock), address(xClose)
	if m.FxShmLock != 0 {
		m.FxShmLock = address(xShmLock)
	}
	return p
}

func xDelete(tls *libc.TLS, vfs, name uintptr, dir int32) int32 {
	return system(vfs).do(Call{Op: Delete, Path: libc.GoString(name), Dir: dir != 0}, func() int32 {
		return function[func(*libc.TLS, uintptr, uintptr, int32) int32](all.base.FxDelete)(tls, vfs, name, dir)
	})
}

// xSleep is how SQLite waits for a lock of the WAL index. SQLite counts attempts, not time: after a
// hundred sleeps, which add up to ten seconds, it returns "locking protocol".
func xSleep(tls *libc.TLS, vfs uintptr, microseconds int32) int32 {
	if system(vfs).hurry {
		microseconds = min(microseconds, 100)
	}
	return function[func(*libc.TLS, uintptr, int32) int32](all.base.FxSleep)(tls, vfs, microseconds)
}

func xRead(tls *libc.TLS, f, buf uintptr, n int32, off int64) int32 {
	x := at(f)
	c := Call{Op: Read, Path: x.path, Off: off, Size: int(n)}
	d := x.vfs.ask(c)
	if d.Drop {
		libc.Xmemset(tls, buf, 0, libc.Tsize_t(n))
		return 0
	}
	if d.Code != 0 {
		return d.Code
	}
	return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](x.real.FxRead)(tls, f, buf, n, off)
}

func xWrite(tls *libc.TLS, f, buf uintptr, n int32, off int64) int32 {
	x := at(f)
	write := function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](x.real.FxWrite)
	d := x.vfs.ask(Call{Op: Write, Path: x.path, Off: off, Size: int(n), Data: libc.GoBytes(buf, int(n))})
	switch {
	case d.Drop:
		return 0
	case d.Code == 0:
		return write(tls, f, buf, n, off)
	case d.Do:
		d.Keep = int(n)
	}
	if d.Keep > 0 {
		_ = write(tls, f, buf, min(int32(d.Keep), n), off) // the call fails in any case
	}
	return d.Code
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

func xLock(tls *libc.TLS, f uintptr, level int32) int32 {
	x := at(f)
	if d := x.vfs.ask(Call{Op: Lock, Path: x.path}); d.Code != 0 {
		return d.Code
	}
	return function[func(*libc.TLS, uintptr, int32) int32](x.real.FxLock)(tls, f, level)
}

func xShmLock(tls *libc.TLS, f uintptr, off, n, flags int32) int32 {
	x := at(f)
	if flags&lib.SQLITE_SHM_LOCK != 0 {
		if d := x.vfs.ask(Call{Op: Lock, Path: x.path + "-shm"}); d.Code != 0 {
			return d.Code
		}
	}
	return function[func(*libc.TLS, uintptr, int32, int32, int32) int32](x.real.FxShmLock)(tls, f, off, n, flags)
}

func xClose(tls *libc.TLS, f uintptr) int32 {
	all.mu.Lock()
	x := all.files[f]
	delete(all.files, f)
	all.mu.Unlock()
	return function[func(*libc.TLS, uintptr) int32](x.real.FxClose)(tls, f)
}
