package sqlite_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// marked returns about n bytes of data that repeat a word.
func marked(word string, n int) []byte {
	return append(append([]byte(`{"k":"`), bytes.Repeat([]byte(word+" "), n/(len(word)+1))...), `"}`...)
}

// After Close no file, and no backup, contains data of sessions that were destroyed, ended or
// changed: not on free pages, and not in gaps of used ones.
func TestDestroyErasesDataFromEveryFileByClose(t *testing.T) { // R22
	for _, size := range []int{100, 1000, 60_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			dir := t.TempDir()
			path, backup := filepath.Join(dir, "s.db"), filepath.Join(dir, "backup.db")
			d, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
			ok(t, err)
			const sessions = 300
			b := &persist.Batch{Now: benchNow}
			for i := range sessions {
				op := create(i)
				op.Record.Data = marked(fmt.Sprintf("secret-%04d", i), size)
				b.Ops = append(b.Ops, op)
			}
			applyAll(t, d, b)
			for i := range sessions { // one at a time, so that pages are rebalanced often
				switch i % 3 {
				case 0:
					must(t, d, destroy(i))
				case 1:
					r := sample(i)
					applyAll(t, d, &persist.Batch{Now: benchNow, Writes: []persist.Write{{
						Ref: r.Ref(), If: r.Version, Next: r.Version + 1, LastActive: r.LastActive, ExpiresAt: r.ExpiresAt,
						Data: func() []byte { return marked("public", (i%7)*size/3) },
					}}})
				}
			}
			ok(t, d.Backup(context.Background(), backup), d.Close())
			for _, name := range []string{path, path + "-wal", path + "-shm", backup} {
				content, err := os.ReadFile(name)
				if os.IsNotExist(err) {
					continue
				}
				ok(t, err)
				left := 0
				for i := range sessions {
					n := bytes.Count(content, fmt.Appendf(nil, "secret-%04d", i))
					if i%3 != 2 {
						left += n
					} else if n == 0 && name == path {
						t.Fatal("what should be there is not found: this shows nothing")
					}
				}
				if left > 0 {
					t.Errorf("%s has %d markers", filepath.Base(name), left)
				}
			}
		})
	}
}

func applyAll(t *testing.T, d *sqlite.DB, b *persist.Batch) {
	t.Helper()
	res, err := d.Apply(context.Background(), b)
	ok(t, err)
	for i, o := range append(res.Ops, res.Writes...) {
		if o.Status != persist.StatusApplied {
			t.Fatalf("item %d has status %d, %v", i, o.Status, o.Err)
		}
	}
}
