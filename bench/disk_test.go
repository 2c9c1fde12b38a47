package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

// durable is the latency of an operation that is on disk when it returns.
type durable struct {
	Operation  string  `json:"operation"`
	Contestant string  `json:"contestant"`
	Callers    int     `json:"callers"`
	PerSecond  float64 `json:"per_second"`
	MedianUS   float64 `json:"median_us"`
	P99US      float64 `json:"p99_us"`
}

// writeRate is how many changes come to the disk in a second.
type writeRate struct {
	What      string  `json:"what"`
	Sessions  int     `json:"sessions"`
	PerSecond float64 `json:"per_second"`
}

func openStore(tb testing.TB, path string, change func(*sessile.Config)) *sessile.Store {
	tb.Helper()
	cfg := sessile.Config{Path: path, MaxSessionsPerUser: sessile.Unlimited, CacheSize: 2_000_000, CacheBytes: 4 << 30, CleanupInterval: sessile.Never}
	if change != nil {
		change(&cfg)
	}
	s, err := sessile.Open(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// rawConn is a bare connection to a file with our schema, under our promises.
func rawConn(tb testing.TB, path string) *sqlite.Conn {
	tb.Helper()
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	for _, p := range []string{"journal_mode=WAL", "synchronous=FULL", "cache_size=-32768"} {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+p, nil); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// ourSchema makes a file with our schema and nothing in it.
func ourSchema(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "raw.db")
	if err := openStore(tb, path, nil).Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// rawInsert is the create of a session, written down bare.
func rawInsert(c *sqlite.Conn, n int) error {
	var id [16]byte
	var hash [32]byte
	_, _ = rand.Read(id[:])
	_, _ = rand.Read(hash[:])
	err := sqlitex.Execute(c, `INSERT INTO session (id, token_hash, rotated_until, rotated_at, auth_at, user_id, ip_address, user_agent,
		device_name, device_type, fingerprint, created_at, ttl, version, data) VALUES (?, ?, 0, 0, 0, ?, '', '', '', '', '', 1, 1, 1, ?)`,
		&sqlitex.ExecOptions{Args: []any{id[:], hash[:], fmt.Sprint("user", n), []byte(`{"profile":"` + profile + `"}`)}})
	if err != nil {
		return err
	}
	return sqlitex.Execute(c, `INSERT INTO activity (key, last_active, expires_at, deadline) VALUES (?, 1, 2, 9)`,
		&sqlitex.ExecOptions{Args: []any{c.LastInsertRowID()}})
}

// commitRaw runs fn in one transaction.
func commitRaw(c *sqlite.Conn, fn func() error) (err error) {
	if err := sqlitex.ExecuteTransient(c, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return sqlitex.ExecuteTransient(c, "COMMIT", nil)
}

// callers has n of them call for a while, and sums up.
func callers(tb testing.TB, what, name string, n int, call func(i int) error) durable {
	tb.Helper()
	const long = 1500 * time.Millisecond
	times := make([][]time.Duration, n)
	var group sync.WaitGroup
	began := time.Now()
	for i := range n {
		group.Go(func() {
			for time.Since(began) < long {
				t := time.Now()
				if err := call(i); err != nil {
					tb.Error(err)
					return
				}
				times[i] = append(times[i], time.Since(t))
			}
		})
	}
	group.Wait()
	all := slices.Concat(times...)
	took := time.Since(began).Seconds()
	slices.Sort(all)
	us := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))].Microseconds()) }
	d := durable{what, name, n, float64(len(all)) / took, us(0.5), us(0.99)}
	fmt.Printf("durable %s/callers=%d %s: %.0f/s, median %.0f us, p99 %.0f us\n", what, n, name, d.PerSecond, d.MedianUS, d.P99US)
	return d
}

// bareGroup is group commit written down bare: one goroutine commits what has come together.
func bareGroup(tb testing.TB) func(int) error {
	tb.Helper()
	c := rawConn(tb, ourSchema(tb))
	in := make(chan chan error, 1024)
	tb.Cleanup(func() { close(in) })
	go func() {
		for first := range in {
			batch := []chan error{first}
			for len(in) > 0 {
				batch = append(batch, <-in)
			}
			err := commitRaw(c, func() error {
				for i := range batch {
					if err := rawInsert(c, i); err != nil {
						return err
					}
				}
				return nil
			})
			for _, b := range batch {
				b <- err
			}
		}
	}()
	return func(int) error {
		done := make(chan error, 1)
		in <- done
		return <-done
	}
}

// durables measures the durable operations, beside one bare commit and bare group commit.
func durables(t *testing.T) (list []durable) {
	t.Helper()
	c := rawConn(t, ourSchema(t))
	list = append(list, callers(t, "create", "raw commit", 1, func(i int) error {
		return commitRaw(c, func() error { return rawInsert(c, i) })
	}))
	for _, n := range []int{1, 8, 64, 256} {
		list = append(list, callers(t, "create", "bare group commit", n, bareGroup(t)))
		s := openStore(t, filepath.Join(t.TempDir(), "s.db"), nil)
		data := map[string]string{"profile": profile}
		list = append(list, callers(t, "create", "sessile", n, func(i int) error {
			_, _, err := s.Create(context.Background(), sessile.Meta{}, fmt.Sprint("user", i), data)
			return err
		}))
		ids, _ := fill(t, s, 100_000)
		list = append(list, callers(t, "rotate", "sessile", n, func(i int) error {
			_, err := s.RotateToken(context.Background(), ids[i])
			return err
		}))
		var next atomic.Int64
		list = append(list, callers(t, "destroy", "sessile", n, func(int) error { // a hundred thousand suffice
			return s.Destroy(context.Background(), ids[next.Add(1)-1])
		}))
	}
	return list
}

// fill creates sessions, many at a time.
func fill(tb testing.TB, s *sessile.Store, n int) (ids []sessile.ID, tokens []sessile.Token) {
	tb.Helper()
	ids, tokens = make([]sessile.ID, n), make([]sessile.Token, n)
	data := map[string]string{"profile": profile}
	var group sync.WaitGroup
	const together = 256
	for w := range together {
		group.Go(func() {
			for i := w; i < n; i += together {
				x, t, err := s.Create(context.Background(), sessile.Meta{UserAgent: "Firefox"}, fmt.Sprint("user", i), data)
				if err != nil {
					tb.Error(err)
					return
				}
				ids[i], tokens[i] = x.ID, t
			}
		})
	}
	group.Wait()
	return ids, tokens
}

// rate reports how long n changes took.
func rate(what string, n int, began time.Time) writeRate {
	r := writeRate{what, n, float64(n) / time.Since(began).Seconds()}
	fmt.Printf("write-behind/sessions=%d %s: %.0f/s\n", n, r.What, r.PerSecond)
	return r
}

// writeBehind measures touches and flushes that come to the disk, each session once
// in random order, beside the same statements in a bare loop.
func writeBehind(t *testing.T) (list []writeRate) {
	t.Helper()
	n := *large
	order := mathrand.New(mathrand.NewPCG(1, 2)).Perm(n)
	s := openStore(t, filepath.Join(t.TempDir(), "s.db"), func(c *sessile.Config) { c.MaxPending = 1 << 20; c.MaxPendingBytes = 1 << 30 })
	ids, _ := fill(t, s, n)
	began := time.Now()
	inParallel(t, order, func(i int) error { return s.Touch(context.Background(), ids[i], began, began.Add(time.Hour)) })
	sync1(t, s)
	list = append(list, rate("sessile touches", n, began))
	began = time.Now()
	inParallel(t, order, func(i int) error {
		_, err := s.Update(context.Background(), ids[i], new(sessile.Changes).Set("n", i))
		return err
	})
	sync1(t, s)
	list = append(list, rate("sessile updates", n, began))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return append(list, rawRates(t, order)...)
}

// inParallel is what the requests of 64 clients do.
func inParallel(t *testing.T, order []int, change func(int) error) {
	t.Helper()
	var group sync.WaitGroup
	for part := range slices.Chunk(order, (len(order)+63)/64) {
		group.Go(func() {
			for _, i := range part {
				if err := change(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func sync1(t *testing.T, s *sessile.Store) {
	t.Helper()
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// rawRates is what the disk could do: the same rows changed in batches of 4,096.
func rawRates(t *testing.T, order []int) []writeRate {
	t.Helper()
	n := len(order)
	c := rawConn(t, ourSchema(t))
	wide := `CREATE TABLE wide (key INTEGER PRIMARY KEY, user_id TEXT, data BLOB, last_active INTEGER, expires_at INTEGER);
		CREATE INDEX wide_expires ON wide (expires_at); CREATE INDEX wide_active ON wide (last_active);`
	if err := sqlitex.ExecuteScript(c, wide, nil); err != nil {
		t.Fatal(err)
	}
	err := commitRaw(c, func() error {
		for i := range n {
			if err := rawInsert(c, i); err != nil {
				return err
			}
			err := sqlitex.Execute(c, "INSERT INTO wide VALUES (?, ?, ?, 1, ?)", &sqlitex.ExecOptions{Args: []any{i + 1, fmt.Sprint("user", i), []byte(profile), i}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	loop := func(what, statement string, args func(i int) []any) writeRate {
		began := time.Now()
		for batch := range slices.Chunk(order, 4096) {
			err := commitRaw(c, func() error {
				for _, i := range batch {
					if err := sqlitex.Execute(c, statement, &sqlitex.ExecOptions{Args: args(i)}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return rate(what, n, began)
	}
	data := []byte(`{"n":1,"profile":"` + profile + `"}`)
	return []writeRate{
		loop("raw touches, narrow table", `UPDATE activity SET last_active = ?, expires_at = min(?, deadline) WHERE key = ?`, func(i int) []any { return []any{5, 6, i + 1} }),
		loop("raw touches, one wide table", `UPDATE wide SET last_active = ?, expires_at = ? WHERE key = ?`, func(i int) []any { return []any{n + i, 2*n - i, i + 1} }),
		loop("raw updates", `UPDATE session SET data = ?, version = version + 1 WHERE key = ?`, func(i int) []any { return []any{data, i + 1} }),
	}
}

// size is the length of the files of a store, bytes.
func size(path string) (n int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + suffix); err == nil {
			n += info.Size()
		}
	}
	return n
}
