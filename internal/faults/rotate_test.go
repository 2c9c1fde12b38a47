package faults

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	lib "modernc.org/sqlite/lib"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/harness"
)

// syncFails fails every sync of a WAL.
func syncFails(c faultvfs.Call) faultvfs.Verdict {
	if c.Op == faultvfs.Sync && strings.HasSuffix(c.Path, "-wal") {
		return faultvfs.Verdict{Code: lib.SQLITE_IOERR_FSYNC}
	}
	return faultvfs.Verdict{}
}

// A rotation of unknown outcome kills the token that it replaces. An earlier rotation had a grace, which
// ends with it: in memory, and in a row that is read while the rotation is retried. Found by the case
// 190/IOERR_FSYNC/always/close.
func TestRotateOfUnknownOutcomeEndsTheGraceBeforeIt(t *testing.T) { // I2
	for name, hot := range map[string]int{"hot": 100, "cold": 1} {
		t.Run(name, func(t *testing.T) {
			l := newSweeper(t)
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				store, err := harness.Setup{Path: filepath.Join(l.dir, "s.db"), VFS: l.vfs.Name, Hot: hot, Max: 4}.Open(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				s, first, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
				if err != nil {
					t.Fatal(err)
				}
				_, second, err := store.Rotate(ctx, s.ID(), sessile.Rotation{Grace: true})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := store.ReadByToken(ctx, first); err != nil {
					t.Fatalf("there is no grace: %v", err)
				}
				_, other, err := store.Create(ctx, sessile.Meta{}, "bob", nil)
				if err != nil {
					t.Fatal(err)
				}
				l.vfs.Set(syncFails)
				defer l.vfs.Set(nil)
				if _, err := store.RotateToken(ctx, s.ID()); !errors.Is(err, sessile.ErrUnknown) {
					t.Fatalf("RotateToken: %v", err)
				}
				if _, err := store.ReadByToken(ctx, other); err != nil { // the hot set holds one session, so ann's is cold now
					t.Fatal(err)
				}
				for i, token := range []sessile.Token{first, second} {
					if _, err := store.ReadByToken(ctx, token); !errors.Is(err, sessile.ErrNotFound) {
						t.Errorf("token %d of a session whose rotation may have been done: %v", i+1, err)
					}
				}
			})
		})
	}
}
