package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

// growth is what a store costs at a size.
type growth struct {
	Sessions     int     `json:"sessions"`
	HotReadNS    float64 `json:"hot_read_ns"`
	ColdReadUS   float64 `json:"cold_read_us"`
	RawSelectUS  float64 `json:"raw_select_us"`
	MemoryBytes  float64 `json:"memory_bytes_per_session"`
	FileBytes    float64 `json:"file_bytes_per_session"`
	OpenMS       float64 `json:"open_ms"`
	RecoverMS    float64 `json:"recover_ms"` // from the files of a process that was killed, to the first answer
	CreatePerSec float64 `json:"creates_per_second"`
}

// grow measures a store at one size after the other.
func grow(t *testing.T) (list []growth) {
	t.Helper()
	for n := 1000; n <= max(*large, 1000); n *= 10 {
		g := growthAt(t, n)
		fmt.Printf("growth/sessions=%d: hot read %.0f ns, cold read %.1f us (raw SELECT %.1f us), memory %.0f B, file %.0f B, open %.1f ms, recovery %.1f ms, creates %.0f/s\n",
			n, g.HotReadNS, g.ColdReadUS, g.RawSelectUS, g.MemoryBytes, g.FileBytes, g.OpenMS, g.RecoverMS, g.CreatePerSec)
		list = append(list, g)
	}
	return list
}

func growthAt(t *testing.T, n int) growth {
	t.Helper()
	g := growth{Sessions: n}
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	s := openStore(t, path, nil)
	before := heap()
	began := time.Now()
	_, tokens := fill(t, s, n)
	g.CreatePerSec = float64(n) / time.Since(began).Seconds()
	g.MemoryBytes = (heap() - before - float64(len(tokens))*(16+8+48)) / float64(n) // less ids and tokens, which are the benchmark's
	g.HotReadNS = readRandom(t, s, tokens, 200_000)
	killed := filepath.Join(dir, "killed.db")
	for _, suffix := range []string{"", "-wal"} { // what a process that is killed leaves
		b, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(killed+suffix, b, 0o600)
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	g.FileBytes = float64(size(path)) / float64(n)
	g.OpenMS = firstAnswer(t, path, tokens[0])
	g.RecoverMS = firstAnswer(t, killed, tokens[0])
	cold := openStore(t, path, func(c *sessile.Config) { c.CacheSize = max(n/100, 1) }) // a hot set of one in a hundred
	g.ColdReadUS = readRandom(t, cold, tokens, min(20_000, 10*n)) / 1000
	g.RawSelectUS = rawSelect(t, killed, n, min(20_000, 10*n)) / 1000
	runtime.KeepAlive(tokens)
	return g
}

// heap is what is live.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// readRandom is the best of five rounds of reads, nanoseconds each.
func readRandom(t *testing.T, s *sessile.Store, tokens []sessile.Token, n int) float64 {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	var best []float64
	for range 5 {
		began := time.Now()
		for range n / 5 {
			if _, err := s.ReadByToken(context.Background(), tokens[rng.IntN(len(tokens))]); err != nil {
				t.Fatal(err)
			}
		}
		best = append(best, float64(time.Since(began).Nanoseconds())/float64(n/5))
	}
	return slices.Min(best)
}

// rawSelect is the same read written down bare, on one connection.
func rawSelect(t *testing.T, path string, sessions, n int) float64 {
	t.Helper()
	c := rawConn(t, path)
	var hashes [][]byte
	err := sqlitex.Execute(c, "SELECT token_hash FROM session", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		h := make([]byte, 32)
		s.ColumnBytes(0, h)
		hashes = append(hashes, h)
		return nil
	}})
	if err != nil || len(hashes) != sessions {
		t.Fatal(len(hashes), err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	var best []float64
	for range 5 {
		began := time.Now()
		for range n / 5 {
			err := sqlitex.Execute(c, `SELECT * FROM session JOIN activity USING (key) WHERE token_hash = ?`, &sqlitex.ExecOptions{
				Args: []any{hashes[rng.IntN(len(hashes))]},
				ResultFunc: func(s *sqlite.Stmt) error {
					b := make([]byte, s.ColumnLen(16))
					s.ColumnBytes(16, b)
					return nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		best = append(best, float64(time.Since(began).Nanoseconds())/float64(n/5))
	}
	return slices.Min(best)
}

// firstAnswer is the time from Open to the first read, milliseconds.
func firstAnswer(t *testing.T, path string, token sessile.Token) float64 {
	t.Helper()
	began := time.Now()
	s := openStore(t, path, nil)
	if _, err := s.ReadByToken(context.Background(), token); err != nil {
		t.Fatal(err)
	}
	ms := float64(time.Since(began).Microseconds()) / 1000
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return ms
}
