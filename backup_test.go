package sessile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
)

func TestBackupIsCompleteAndPrivateAndOpens(t *testing.T) { // D26, S51
	behaviour.RunCase(t, overFile, func(f *behaviour.Fixture) {
		s, tok := f.Login("ann")
		f.Must(f.Store().Flush(f.Context(), s.ID(), map[string]int{"n": 5}, f.Clock.Now(), f.Clock.Now().Add(time.Hour)))
		path := filepath.Join(f.TempDir(), "copy.db")
		f.Must(f.Store().Backup(f.Context(), path))
		if err := f.Store().Backup(f.Context(), path); err == nil {
			f.Fatal("a backup wrote over a file")
		}
		info, err := os.Stat(path)
		f.Must(err)
		if info.Mode().Perm() != 0o600 {
			f.Fatalf("mode %v", info.Mode())
		}
		cfg := f.Current().Config()
		cfg.Path = path
		copied, err := sessile.Open(f.Context(), cfg)
		f.Must(err)
		got, err := copied.ReadByToken(f.Context(), tok)
		f.Must(err)
		if n, _, err := sessile.Get[int](got, "n"); n != 5 || err != nil {
			f.Fatalf("n is %d, %v", n, err)
		}
		f.Must(copied.Close())
	})
}
