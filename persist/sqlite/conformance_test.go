package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(tb testing.TB, path string) *sqlite.DB {
	tb.Helper()
	d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return d
}

func openNew(tb testing.TB) *sqlite.DB {
	tb.Helper()
	return open(tb, filepath.Join(tb.TempDir(), "s.db"))
}

func TestSQLiteKeepsTheContract(t *testing.T) {
	persisttest.Run(t, func(t *testing.T) persist.Backend {
		t.Helper()
		return openNew(t)
	})
}
