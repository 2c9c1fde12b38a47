package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/internal/faultvfs"
)

// It does so at once, and also if no Look runs before the disk works again. Our own failures do
// not reset the cache.
func TestLookNoticesAForeignCommitWhileWritesFail(t *testing.T) { // D27
	for name, c := range map[string]struct {
		others, looks, anew bool
	}{
		"noticed by a look":                          {true, true, false},
		"noticed by the repair":                      {true, false, false},
		"in a WAL begun anew, noticed by a look":     {true, true, true},
		"in a WAL begun anew, noticed by the repair": {true, false, true},
		"there is nothing to see":                    {false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk(t)
			path := filepath.Join(t.TempDir(), "s.db")
			d := disk.open(t, path)
			defer d.Close()
			must(t, d, create(1), create(2), create(3))
			disk.from(func(_ int, c faultvfs.Call) (v faultvfs.Verdict) {
				if c.Op == faultvfs.Write {
					v.Code = faultvfs.Full
				}
				return v
			})
			for range 3 {
				if _, err := apply(d, destroy(1)); err == nil {
					t.Fatal("it was written to a full disk")
				}
			}
			if c.others {
				other := raw(t, path)
				if c.anew {
					run(t, other, `PRAGMA wal_checkpoint(TRUNCATE)`)
				}
				ok(t, sqlitex.ExecuteTransient(other, fmt.Sprintf(`DELETE FROM session WHERE id = x'%x'`, sample(2).ID[:]), nil), other.Close())
			}
			var told resets
			if c.looks {
				if d.Look(&told); len(told) != 1 {
					t.Errorf("told %q", told)
				}
			}
			disk.from(nil)
			must(t, d, destroy(1))
			if err := d.Inspect().Failed; err != nil {
				t.Errorf("Inspect: %v", err)
			}
			if d.Look(&told); len(told) > 0 != c.others {
				t.Errorf("told %q", told)
			}
			if exists(t, d, 2) == c.others || !exists(t, d, 3) {
				t.Error("what is on disk is not what was written")
			}
		})
	}
}
