package sessile_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

func TestRestoreBringsBackTheBackupAndReportsWhatItRevives(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "s.db"), filepath.Join(dir, "backup.db")
	store, err := sessile.Open(t.Context(), sessile.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	ended, token, err := store.Create(t.Context(), sessile.Meta{}, "ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := store.Destroy(t.Context(), ended.ID()); err != nil {
		t.Fatal(err)
	}
	_, later, err := store.Create(t.Context(), sessile.Meta{}, "bob", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := sessile.Restore(t.Context(), backup, path)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sessions != 1 || r.Revived != 1 || r.Lost != 1 || r.Rotated != 0 || r.Replaced == "" || time.Since(r.Made) > time.Minute {
		t.Errorf("it says %+v", r)
	}
	if store, err = sessile.Open(t.Context(), sessile.Config{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.ReadByToken(t.Context(), token); err != nil {
		t.Errorf("a session of the backup: %v", err)
	}
	if _, err := store.ReadByToken(t.Context(), later); err == nil {
		t.Error("a session that is younger than the backup is there")
	}
}
