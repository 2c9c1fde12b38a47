package faultvfs_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/internal/faultvfs"
)

// SQLite waits for a lock of the WAL index that is held for 100 ms: the goroutine that holds it may be
// descheduled for that long. In a bubble SQLite gives up early.
func TestVFSWaitsForALockLongerThanAGoroutineMayBlock(t *testing.T) {
	for name, vfs := range map[string]*faultvfs.VFS{"real": faultvfs.New("real"), "bubble": faultvfs.NewForBubble("bubble")} {
		c, err := sqlite.OpenConn("file:"+filepath.Join(t.TempDir(), "x.db")+"?vfs="+vfs.Name, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenURI|sqlite.OpenWAL)
		if err != nil {
			t.Fatal(err)
		}
		if err := sqlitex.ExecuteScript(c, "CREATE TABLE t(x)", nil); err != nil {
			t.Fatal(err)
		}
		var held atomic.Bool
		held.Store(true)
		vfs.Set(func(c faultvfs.Call) (v faultvfs.Verdict) {
			if c.Op == faultvfs.Lock && held.Load() && filepath.Base(c.Path) == "x.db-shm" {
				v.Code = lib.SQLITE_BUSY
			}
			return v
		})
		time.AfterFunc(100*time.Millisecond, func() { held.Store(false) })
		err = sqlitex.ExecuteTransient(c, "SELECT * FROM t", nil)
		if want := map[string]sqlite.ResultCode{"real": sqlite.ResultOK, "bubble": sqlite.ResultProtocol}[name]; sqlite.ErrCode(err) != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
