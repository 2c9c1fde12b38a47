package sessile_test

import (
	"errors"
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

func TestRestoreWithEndsRevivedSessionsAfterConfirmation(t *testing.T) {
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
	_, kept, err := store.Create(t.Context(), sessile.Meta{}, "bob", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Backup(t.Context(), backup), store.Destroy(t.Context(), ended.ID()), store.Close()); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	o := sessile.RestoreOptions{EndRevived: true, Confirm: func(r sessile.RestoreReport) error {
		if r.Sessions != 2 || r.Revived != 1 || r.Ended != 1 {
			t.Errorf("it says %+v", r)
		}
		return no
	}}
	if _, err := sessile.RestoreWith(t.Context(), backup, path, o); !errors.Is(err, no) {
		t.Errorf("refused, the error is %v", err)
	}
	o.Confirm = nil
	if r, err := sessile.RestoreWith(t.Context(), backup, path, o); err != nil || r.Ended != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if store, err = sessile.Open(t.Context(), sessile.Config{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.ReadByToken(t.Context(), token); !errors.Is(err, sessile.ErrNotFound) {
		t.Errorf("the session that had ended: %v", err)
	}
	if _, err := store.ReadByToken(t.Context(), kept); err != nil {
		t.Errorf("the other session: %v", err)
	}
}
