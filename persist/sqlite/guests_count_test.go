package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// TestGuestsAreCountedAgainAfterAForeignCommit: with an old count, the limit would be wrong.
func TestGuestsAreCountedAgainAfterAForeignCommit(t *testing.T) {
	for when, first := range map[string]func(d *sqlite.DB){
		"noticed by a commit": func(*sqlite.DB) {},
		"noticed by a look":   func(d *sqlite.DB) { d.Look(new(resets)) },
	} {
		t.Run(when, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.db")
			d := open(t, path)
			must(t, d, guest(1, 0), guest(2, 0), guest(3, 0))
			other := raw(t, path)
			ok(t, sqlitex.ExecuteTransient(other, fmt.Sprintf(`DELETE FROM session WHERE id = x'%x'`, sample(1).ID[:]), nil), other.Close())
			first(d)
			must(t, d, guest(4, 3))
			for _, n := range []int{2, 3, 4} {
				if !exists(t, d, n) {
					t.Errorf("guest %d was evicted", n)
				}
			}
		})
	}
}

// guest creates a session without a user, under a limit.
func guest(n, most int) persist.Op {
	op := create(n)
	op.Record.UserID, op.Limit.Max = "", most
	return op
}
