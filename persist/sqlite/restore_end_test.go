package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// destroyed returns a backup with the sessions 1 to 3, and the file of a store that was killed after
// session 1 had ended, session 3 had a new token, and session 4 had begun.
func destroyed(t *testing.T) (backup, killed string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	backup = filepath.Join(t.TempDir(), "backup")
	d := open(t, path)
	rotated := create(3).Record
	must(t, d, create(1), create(2), create(3))
	ok(t, d.Backup(context.Background(), backup))
	must(t, d, create(4), destroy(1), persist.Op{Kind: persist.OpRotate, Ref: rotated.Ref(), From: rotated.Hash, To: persist.Hash{9}})
	return backup, copyOf(t, path)
}

func TestRestoreEndsWhatItWouldRevive(t *testing.T) {
	backup, killed := destroyed(t)
	r, err := sqlite.Restore(context.Background(), backup, killed, persist.RestoreOptions{Now: benchNow, EndRevived: true})
	if err != nil || r.Revived != 1 || r.Rotated != 1 || r.Ended != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	d := open(t, killed)
	if exists(t, d, 1) || !exists(t, d, 2) || exists(t, d, 3) || exists(t, d, 4) {
		t.Error("other sessions than the revived ones ended")
	}
	must(t, d, create(5), destroy(2))
}

func TestRestoreRefusesToEndWhatItCannotKnow(t *testing.T) {
	backup, killed := destroyed(t)
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	ok(t, os.WriteFile(damaged, make([]byte, 8192), 0o600))
	for name, path := range map[string]string{"no old file": killed + "-none", "a damaged old file": damaged} {
		before, _ := os.ReadFile(path)
		if _, err := sqlite.Restore(context.Background(), backup, path, persist.RestoreOptions{Now: benchNow, EndRevived: true}); err == nil {
			t.Errorf("%s: it restored", name)
		}
		if after, _ := os.ReadFile(path); !slices.Equal(before, after) {
			t.Errorf("%s: the file has changed", name)
		}
	}
}

func TestRestoreEndsSessionsThatWereActiveSince(t *testing.T) {
	backup, killed := destroyed(t)
	last := sample(2).LastActive
	for _, c := range []struct {
		since int64
		ended int
	}{{last + 1, 0}, {last, 3}} {
		path := copyOf(t, killed)
		r, err := sqlite.Restore(context.Background(), backup, path, persist.RestoreOptions{Now: benchNow, EndSince: c.since})
		if err != nil || r.Ended != c.ended {
			t.Errorf("since %d: %+v, %v", c.since-last, r, err)
		}
		if exists(t, open(t, path), 2) != (c.ended == 0) {
			t.Errorf("since %d: the session is in the wrong state", c.since-last)
		}
	}
}

func TestRestoreThatIsNotConfirmedChangesNothing(t *testing.T) {
	backup, killed := destroyed(t)
	no := errors.New("no")
	var said persist.Restored
	_, err := sqlite.Restore(context.Background(), backup, killed, persist.RestoreOptions{Now: benchNow, EndRevived: true, Confirm: func(r persist.Restored) error {
		said = r
		if _, err := sqlite.Open(context.Background(), sqlite.Config{Path: killed}); !errors.Is(err, persist.ErrLocked) {
			t.Errorf("a store opens the file meanwhile: %v", err)
		}
		return no
	}})
	if !errors.Is(err, no) || errors.Is(err, persist.ErrUnavailable) {
		t.Errorf("the error is %v", err)
	}
	if said.Sessions != 3 || said.Revived != 1 || said.Lost != 1 || said.Ended != 2 {
		t.Errorf("it says %+v", said)
	}
	d := open(t, killed)
	if exists(t, d, 1) || !exists(t, d, 4) {
		t.Error("the file has changed")
	}
	left, err := filepath.Glob(killed + ".re*")
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}
