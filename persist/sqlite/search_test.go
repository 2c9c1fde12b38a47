package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sessile/sessile/persist"
)

// A damaged page of the wide table costs the sessions on it, and none of those behind it.
func TestSearchGoesOnBehindADamagedPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	d := open(t, path)
	const n = 400
	for i := range n {
		must(t, d, create(i))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	lost := damageMiddle(t, path)
	d = open(t, path)
	for _, q := range []persist.Query{{Limit: 100}, {Limit: 100, Device: "mozilla"}} {
		found, unreadable := 0, 0
		for {
			p, err := d.Search(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			found, unreadable = found+len(p.Records), unreadable+p.Unreadable
			if q.Before = p.Next; p.Next == 0 {
				break
			}
		}
		if unreadable != lost || found != n-lost {
			t.Errorf("%q: %d sessions, %d unreadable, want %d and %d", q.Device, found, unreadable, n-lost, lost)
		}
	}
}

func TestSearchOfAClosedFileIsUnavailable(t *testing.T) {
	d := openNew(t)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := d.Search(context.Background(), persist.Query{Limit: 1})
	_, countErr := d.Count(context.Background())
	if !errors.Is(err, persist.ErrUnavailable) || !errors.Is(countErr, persist.ErrUnavailable) {
		t.Error(err, countErr)
	}
}

// damageMiddle destroys a page in the middle of the wide table, and returns how many sessions were on it.
func damageMiddle(t *testing.T, path string) int {
	t.Helper()
	const page = 4096
	b, err := os.ReadFile(path)
	ok(t, err)
	var leaves []int // offsets
	for at := 0; at < len(b); at += page {
		if b[at] == 0x0d && bytes.Contains(b[at:at+page], []byte("Mozilla/5.0")) {
			leaves = append(leaves, at)
		}
	}
	if len(leaves) < 3 {
		t.Fatalf("%d pages of the wide table", len(leaves))
	}
	middle := b[leaves[len(leaves)/2]:][:page]
	sessions := bytes.Count(middle, []byte("Mozilla/5.0"))
	clear(middle[:8]) // the header of the page
	write(t, path, b)
	return sessions
}
