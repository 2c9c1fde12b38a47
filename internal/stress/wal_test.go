package stress

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

var soak = flag.Duration("stress.soak", 4*time.Second, "how long the WAL is watched under load")

const (
	mebi    = 1 << 20
	walMost = 64 * mebi // journal_size_limit
)

// flood changes sessions of 16 KiB as fast as possible until end.
func flood(t *testing.T, store *sessile.Store, end <-chan struct{}) *sync.WaitGroup {
	t.Helper()
	var ids []sessile.ID
	for range 400 {
		s, _, err := store.Create(context.Background(), sessile.Meta{}, "ann", nil)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID())
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			data := make([]byte, 12*1024)
			for n := i; ; n += 4 {
				select {
				case <-end:
					return
				default:
				}
				_, _ = rand.Read(data)
				if _, err := store.Update(context.Background(), ids[n%len(ids)], new(sessile.Changes).Set("data", data)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return &all
}

// watchWAL returns the largest size of the WAL within total, or earlier if it is too large.
func watchWAL(path string, total time.Duration) (most int64) {
	for began := time.Now(); time.Since(began) < total && most <= walMost+16*mebi; <-time.After(20 * time.Millisecond) {
		if info, err := os.Stat(path + "-wal"); err == nil {
			most = max(most, info.Size())
		}
	}
	return most
}

func openForFlood(t *testing.T) (*sessile.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	store, err := sessile.Open(t.Context(), sessile.Config{Path: path, MaxSessionsPerUser: sessile.NoSessionLimit, BatchInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return store, path
}

// The WAL stays small while changes are written at full speed and a backup is always running. Soon afterwards it
// is empty.
func TestStressWALStaysSmallDuringABackup(t *testing.T) { // D26, R17
	store, path := openForFlood(t)
	end := make(chan struct{})
	all := flood(t, store, end)
	backups := 0
	all.Go(func() {
		for ; ; backups++ {
			select {
			case <-end:
				return
			default:
			}
			copied := fmt.Sprint(path, ".", backups)
			if err := store.Backup(context.Background(), copied); err != nil {
				t.Errorf("backup: %v", err)
				return
			}
			if err := os.Remove(copied); err != nil {
				t.Error(err)
			}
		}
	})
	most := watchWAL(path, *soak)
	close(end)
	all.Wait()
	stats := store.Stats()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		t.Errorf("the WAL has %d bytes after Close", info.Size())
	}
	t.Logf("%v, %d changes in %d commits, %d backups; the WAL had at most %d MiB", *soak, stats.BatchItems, stats.Batches, backups, most/mebi)
	if most > walMost {
		t.Errorf("the WAL grew to %d MiB", most/mebi)
	}
}

// Negative control: a reader never ends, so that no checkpoint can empty the WAL. The test detects that, and
// Health reports it.
func TestStressNoticesAWALThatCannotBeEmptied(t *testing.T) {
	store, path := openForFlood(t)
	reader, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"BEGIN", "SELECT count(*) FROM session"} {
		if err := sqlitex.ExecuteTransient(reader, query, nil); err != nil {
			t.Fatal(err)
		}
	}
	end := make(chan struct{})
	all := flood(t, store, end)
	most := watchWAL(path, time.Minute)
	close(end)
	all.Wait()
	if most <= walMost {
		t.Errorf("the WAL had at most %d MiB", most/mebi)
	}
	if h := store.Health(); h.WALBytes <= walMost {
		t.Errorf("Health says nothing: %+v", h)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	s, _, err := store.Create(t.Context(), sessile.Meta{}, "ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	after := int64(walMost + 1)
	for n := 0; n < 20 && after > walMost; n++ { // the next checkpoint can empty it
		data := make([]byte, 40*1024)
		_, _ = rand.Read(data)
		if _, err := store.UpdateDurable(t.Context(), s.ID(), new(sessile.Changes).Set("data", data)); err != nil {
			t.Fatal(err)
		}
		after = store.Health().WALBytes
	}
	if after > walMost {
		t.Errorf("the WAL has %d MiB when the reader has left", after/mebi)
	}
	t.Logf("noticed at %d MiB; %d MiB when the reader has left", most/mebi, after/mebi)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}
