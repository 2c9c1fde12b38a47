package sqlite

import (
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
)

// The guarantees depend on the settings, so each one is read back. A database in memory cannot
// have a write-ahead log.
func TestPragmaThatDoesNotHoldIsRefused(t *testing.T) { // D2
	c, err := sqlite.OpenConn(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = pragma{"journal_mode", "WAL", "wal"}.set(c)
	if err == nil || !strings.Contains(err.Error(), "journal_mode") {
		t.Errorf("journal_mode: %v", err)
	}
	if err := (pragma{"synchronous", "FULL", "2"}).set(c); err != nil {
		t.Error(err)
	}
	if err := (pragma{"synchronous", "OFF", "2"}).set(c); err == nil {
		t.Error("synchronous=OFF was taken for FULL")
	}
}
