package sessile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

func TestBackupIsCompleteAndPrivateAndOpens(t *testing.T) { // D26, S51
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.must(f.s().Flush(f.Context(), s.ID(), map[string]int{"n": 5}, f.clock.t, f.clock.t.Add(time.Hour)))
		path := filepath.Join(f.TempDir(), "copy.db")
		f.must(f.s().Backup(f.Context(), path))
		if err := f.s().Backup(f.Context(), path); err == nil {
			f.Fatal("a backup wrote over a file")
		}
		info, err := os.Stat(path)
		f.must(err)
		if info.Mode().Perm() != 0o600 {
			f.Fatalf("mode %v", info.Mode())
		}
		cfg := f.cfg
		cfg.Path = path
		copied, err := sessile.Open(f.Context(), cfg)
		f.must(err)
		got, err := copied.ReadByToken(f.Context(), tok)
		f.must(err)
		if n, _, err := sessile.Get[int](got, "n"); n != 5 || err != nil {
			f.Fatalf("n is %d, %v", n, err)
		}
		f.must(copied.Close())
	})
}
