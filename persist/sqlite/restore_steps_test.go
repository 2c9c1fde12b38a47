package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/sessile/sessile/persist"
)

// A restore is killed after each of its steps, and the next Open finishes it. Nobody ever sees
// the old file without its WAL, or the new file with it.
func TestRestoreThatIsKilledIsFinishedByOpen(t *testing.T) {
	for n := range len(restoreSteps("x")) + 1 {
		dir := t.TempDir()
		path := filepath.Join(dir, "s.db")
		session := func(n byte) persist.Op {
			id := &persist.Identity{ID: persist.ID{n}, UserID: "ann", CreatedAt: 1, Deadline: 100, TTL: 50}
			return persist.Op{Kind: persist.OpCreate, Record: &persist.Record{
				Identity: id, Hash: persist.Hash{n}, Version: 1, Data: []byte("{}"), LastActive: 1, ExpiresAt: 100,
			}}
		}
		d, err := Open(context.Background(), Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		apply := func(op persist.Op) {
			if res, err := d.Apply(context.Background(), &persist.Batch{Now: 1, Ops: []persist.Op{op}}); err != nil || res.Ops[0].Status != persist.StatusApplied {
				t.Fatalf("%+v, %v", res, err)
			}
		}
		apply(session(1))
		staged := filepath.Join(dir, "killed.db") + staging
		if err := d.Backup(context.Background(), staged); err != nil {
			t.Fatal(err)
		}
		apply(session(2))
		for _, suffix := range []string{"", "-wal"} { // the state that SIGKILL leaves
			b, err := os.ReadFile(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "killed.db")+suffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(dir, "killed.db")
		old := kept(path, staged)
		for _, step := range restoreSteps(path)[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		for i, name := range []string{path, old} {
			want := int64(i + 1)
			d, err := Open(context.Background(), Config{Path: name})
			if err != nil {
				t.Fatalf("after %d steps: %v", n, err)
			}
			if got, err := queryInt(d.writer, `SELECT count(*) FROM session`); err != nil || got != want {
				t.Errorf("after %d steps: %s has %d sessions, want %d, %v", n, filepath.Base(name), got, want, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Lstat(path + staging); err == nil {
			t.Errorf("after %d steps: the copy is left", n)
		}
	}
}
