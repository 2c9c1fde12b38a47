package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	lib "modernc.org/sqlite/lib"
	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/internal/faultvfs"
)

// upgrades are the real migrations plus two invented ones: one adds a table, one rewrites every
// row.
func upgrades() []migration {
	run := func(script string) migration {
		return func(c *zombie.Conn) error { return sqlitex.ExecuteScript(c, script, nil) }
	}
	return append(migrations(),
		run(`ALTER TABLE session ADD COLUMN note TEXT; CREATE TABLE extra (key INTEGER PRIMARY KEY) STRICT; INSERT INTO extra VALUES (1), (2);`),
		run(`CREATE TABLE wide (key INTEGER PRIMARY KEY, twice INTEGER NOT NULL) STRICT; INSERT INTO wide SELECT key, key * 2 FROM extra; DROP TABLE extra;`),
	)
}

// tablesOf returns the tables of a schema version.
func tablesOf(version int64) []string {
	return [][]string{
		{}, {"activity", "meta", "session"}, {"activity", "meta", "session"}, {"activity", "extra", "meta", "session"}, {"activity", "meta", "session", "wide"},
	}[version]
}

// inOneGo is the negative control: the steps have no transactions of their own.
func inOneGo(c *zombie.Conn, steps []migration) error {
	for v, step := range steps {
		if _, err := queryText(c, fmt.Sprintf("PRAGMA user_version = %d", v+1)); err != nil {
			return err
		}
		if err := step(c); err != nil {
			return err
		}
	}
	return nil
}

// A process is killed at each I/O call of an upgrade. The file then has one complete schema, and
// the next Open finishes the upgrade.
func TestMigrateThatIsKilledLeavesNoHalfStep(t *testing.T) { // D25, R24
	half, killed := upgradeKilledEverywhere(t, func(c *zombie.Conn) error { return migrate(t.Context(), c, upgrades()) })
	if len(half) > 0 {
		t.Error(half)
	}
	t.Logf("killed at each of %d I/O calls", killed)
}

func TestMigrateWithoutTransactionsIsNoticed(t *testing.T) {
	half, killed := upgradeKilledEverywhere(t, func(c *zombie.Conn) error { return inOneGo(c, upgrades()) })
	if len(half) == 0 {
		t.Error("not noticed")
	}
	t.Logf("noticed at %d of %d I/O calls", len(half), killed)
}

// upgradeKilledEverywhere repeats the upgrade and drops all I/O from a later call each time. The
// file is then in the state that a kill leaves.
func upgradeKilledEverywhere(t *testing.T, upgrade func(*zombie.Conn) error) (half []string, killed int) {
	t.Helper()
	vfs := faultvfs.New(t.Name())
	dir := t.TempDir()
	for ; ; killed++ {
		path := filepath.Join(dir, strconv.Itoa(killed))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := connect(Config{Path: path, VFS: vfs.Name}, zombie.OpenReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := queryText(c, "PRAGMA journal_mode = WAL"); err != nil {
			t.Fatal(err)
		}
		calls := 0
		vfs.Set(func(faultvfs.Call) (v faultvfs.Verdict) {
			if calls++; calls > killed {
				v.Code = lib.SQLITE_IOERR
			}
			return v
		})
		err = upgrade(c)
		if what := leftOver(t, path, err == nil); what != "" {
			half = append(half, fmt.Sprintf("killed at call %d: %s", killed, what))
		}
		vfs.Set(nil)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			return half, killed
		}
	}
}

// leftOver checks a copy of what is on disk, and finishes the upgrade there.
func leftOver(t *testing.T, path string, finished bool) string {
	t.Helper()
	twin := path + ".killed"
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.WriteFile(twin+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := connect(Config{Path: twin}, zombie.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if what := whole(t, c); what != "" {
		return what
	}
	if version, _ := queryInt(c, "PRAGMA user_version"); finished && version != int64(len(upgrades())) {
		return fmt.Sprintf("it was finished, and the version is %d", version)
	}
	if err := migrate(t.Context(), c, upgrades()); err != nil {
		return "it cannot be finished: " + err.Error()
	}
	return whole(t, c)
}

// whole describes what is only half done, or returns "".
func whole(t *testing.T, c *zombie.Conn) string {
	t.Helper()
	version, err := queryInt(c, "PRAGMA user_version")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	err = sqlitex.ExecuteTransient(c, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`,
		&sqlitex.ExecOptions{ResultFunc: func(s *zombie.Stmt) error {
			tables = append(tables, s.ColumnText(0))
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tables, tablesOf(version)) {
		return fmt.Sprintf("version %d has the tables %v", version, tables)
	}
	for table, want := range map[string]int64{"meta": min(version, 2) + 1, "extra": 2, "wide": 2} {
		if !slices.Contains(tables, table) {
			continue
		}
		if n, err := queryInt(c, "SELECT count(*) FROM "+table); err != nil || n != want {
			return fmt.Sprintf("version %d: %d rows in %s, %v", version, n, table, err)
		}
	}
	if ok, err := queryText(c, "PRAGMA integrity_check"); err != nil || ok != "ok" {
		return fmt.Sprint(ok, err)
	}
	return ""
}
