package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

// growth is the cost of a store at one size.
type growth struct {
	Definition   string  `json:"definition"`
	Sessions     int     `json:"sessions"`
	HotReadNS    float64 `json:"hot_read_ns"`
	ColdReadUS   float64 `json:"cold_read_us"`
	RawSelectUS  float64 `json:"raw_select_us"`
	MemoryBytes  float64 `json:"memory_bytes_per_session"`
	FileBytes    float64 `json:"file_bytes_per_session"`
	OpenMS       float64 `json:"open_ms"`
	RecoverMS    float64 `json:"recover_ms"` // from the files of a killed process to the first read
	CreatePerSec float64 `json:"creates_per_second"`
}

// grow measures a store at increasing sizes.
func grow(t *testing.T) (list []growth) {
	t.Helper()
	for n := 1000; n <= max(*large, 1000); n *= 10 {
		g := growthAt(t, n)
		g.print()
		list = append(list, g)
	}
	return list
}

func (x growth) print() {
	fmt.Printf("growth/sessions=%d: hot read %.0f ns, cold read %.1f us (raw SELECT %.1f us), memory %.0f B, file %.0f B, open %.1f ms, recovery %.1f ms, creates %.0f/s\n",
		x.Sessions, x.HotReadNS, x.ColdReadUS, x.RawSelectUS, x.MemoryBytes, x.FileBytes, x.OpenMS, x.RecoverMS, x.CreatePerSec)
}

func growthAt(t *testing.T, n int) growth {
	t.Helper()
	g := growth{Sessions: n}
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	before := heap()
	s := openStore(t, path, n, func(c *sessile.Config) { c.CacheSize = n }) // the index is memory of the sessions too
	began := time.Now()
	_, tokens := fill(t, s, n, short)
	g.CreatePerSec = float64(n) / time.Since(began).Seconds()
	g.MemoryBytes = (heap() - before - float64(len(tokens))*(16+8+48)) / float64(n) // minus IDs and tokens, which belong to the benchmark
	g.HotReadNS = readRandom(t, s, tokens, 200_000)
	killed := filepath.Join(dir, "killed.db")
	for _, suffix := range []string{"", "-wal"} { // the files that a killed process leaves
		copyFile(t, killed+suffix, path+suffix)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	g.FileBytes = float64(size(path)) / float64(n)
	g.OpenMS = firstAnswer(t, path, tokens[0])
	g.RecoverMS = firstAnswer(t, killed, tokens[0])
	cold := openStore(t, path, n, func(c *sessile.Config) { c.CacheSize = max(n/100, 1) }) // a hot set of one in a hundred
	g.ColdReadUS = readRandom(t, cold, tokens, min(20_000, 10*n)) / 1000
	g.RawSelectUS = rawSelect(t, killed, min(20_000, 10*n)) / 1000
	runtime.KeepAlive(tokens)
	return g
}

// copyFile copies a file if it exists.
func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = io.Copy(out, in)
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// size returns the length of the files of a store in bytes.
func size(path string) (n int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + suffix); err == nil {
			n += info.Size()
		}
	}
	return n
}

// heap returns the size of the live heap.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// readRandom returns the time of a read of a random session in nanoseconds.
func readRandom(t *testing.T, s *sessile.Store, tokens []sessile.Token, n int) float64 {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	ctx := t.Context() // it can end, as that of a request
	return bestOf(t, n, func() error {
		_, err := s.ReadByToken(ctx, tokens[rng.IntN(len(tokens))])
		return err
	})
}

// bestOf returns the best of five rounds of n reads in total, in nanoseconds per read.
func bestOf(t *testing.T, n int, read func() error) float64 {
	t.Helper()
	best := math.Inf(1)
	for range 5 {
		best = min(best, each1(t, n/5, read))
	}
	return best
}

// each1 returns the time of one of n reads in nanoseconds.
func each1(t *testing.T, n int, read func() error) float64 {
	t.Helper()
	began := time.Now()
	for range n {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	return float64(time.Since(began).Nanoseconds()) / float64(n)
}

// rawHashes returns the token hashes in a file.
func rawHashes(t *testing.T, c *sqlite.Conn) (hashes [][]byte) {
	t.Helper()
	err := sqlitex.Execute(c, "SELECT token_hash FROM session", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		h := make([]byte, 32)
		s.ColumnBytes(0, h)
		hashes = append(hashes, h)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return hashes
}

// rawSelect measures the same read as a bare statement on one connection.
func rawSelect(t *testing.T, path string, n int) float64 {
	t.Helper()
	c := rawConn(t, path)
	hashes := rawHashes(t, c)
	rng := rand.New(rand.NewPCG(3, 4))
	return bestOf(t, n, func() error { return rawRead(c, hashes[rng.IntN(len(hashes))]) })
}

// firstAnswer returns the time from Open to the first read in milliseconds.
func firstAnswer(t *testing.T, path string, token sessile.Token) float64 {
	t.Helper()
	began := time.Now()
	s := openStore(t, path, 0, nil)
	if _, err := s.ReadByToken(context.Background(), token); err != nil {
		t.Fatal(err)
	}
	ms := float64(time.Since(began).Microseconds()) / 1000
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return ms
}
