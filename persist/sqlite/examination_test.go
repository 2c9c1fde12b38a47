package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

func TestExamineReadsAStoreThatRunsAndOneThatIsClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	d := open(t, path)
	must(t, d, create(1), create(2))
	e, err := sqlite.Examine(context.Background(), path)
	if err != nil || e.Sessions != 2 || e.Schema != e.Newest || e.Schema == 0 || len(e.Damage) > 0 || e.Made != 0 || e.Clock == 0 {
		t.Errorf("while it runs: %+v, %v", e, err)
	}
	must(t, d, create(3))
	ok(t, d.Close())
	before, err := os.ReadDir(filepath.Dir(path))
	ok(t, err)
	if e, err = sqlite.Examine(context.Background(), path); err != nil || e.Sessions != 3 {
		t.Errorf("closed: %+v, %v", e, err)
	}
	after, err := os.ReadDir(filepath.Dir(path))
	ok(t, err)
	if len(before) != len(after) {
		t.Errorf("it leaves files: %v, %v", before, after)
	}
}

func TestExamineFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	d := open(t, path)
	must(t, d, create(1), create(2))
	ok(t, d.Close())
	halved := copyOf(t, path)
	c := raw(t, halved)
	run(t, c, "DELETE FROM activity WHERE key = 1")
	ok(t, c.Close())
	if e, err := sqlite.Examine(context.Background(), halved); err != nil || len(e.Damage) != 1 {
		t.Errorf("half a session: %+v, %v", e, err)
	}
	c = raw(t, path)
	run(t, c, "PRAGMA writable_schema = ON")
	run(t, c, "UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'session_user'")
	ok(t, c.Close())
	if e, err := sqlite.Examine(context.Background(), path); err == nil && len(e.Damage) == 0 {
		t.Errorf("an index at the wrong page: %+v", e)
	}
	if _, err := sqlite.Examine(context.Background(), path+"-none"); err == nil {
		t.Error("a missing file is fine")
	}
	other := filepath.Join(t.TempDir(), "other")
	ok(t, os.WriteFile(other, []byte("not a database, but long enough to be one"), 0o600))
	if _, err := sqlite.Examine(context.Background(), other); !errors.Is(err, persist.ErrNotStore) {
		t.Errorf("another file: %v", err)
	}
}
