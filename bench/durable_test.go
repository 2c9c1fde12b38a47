package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile"
)

// durable is the latency of an operation that is on disk when it returns.
type durable struct {
	Definition string  `json:"definition"`
	Operation  string  `json:"operation"`
	Contestant string  `json:"contestant"`
	Callers    int     `json:"callers"`
	PerSecond  float64 `json:"per_second"`
	MedianUS   float64 `json:"median_us"`
	P99US      float64 `json:"p99_us"`
}

// callers runs n concurrent callers for a while and summarizes their latencies.
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
	d := durable{Operation: what, Contestant: name, Callers: n, PerSecond: float64(len(all)) / took, MedianUS: us(0.5), P99US: us(0.99)}
	fmt.Printf("durable %s/callers=%d %s: %.0f/s, median %.0f us, p99 %.0f us\n", what, n, name, d.PerSecond, d.MedianUS, d.P99US)
	return d
}

// bareGroup is minimal group commit: one goroutine commits all waiting rows together.
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
					if err := freshRow(i, sessile.Meta{}).insert(c); err != nil {
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

// rawInTurn is what callers get without group commit: one commit each on one connection, first come, first
// served.
func rawInTurn(tb testing.TB) func(int) error {
	tb.Helper()
	turn := make(chan *sqlite.Conn, 1) // waiters are served in order
	turn <- rawConn(tb, ourSchema(tb))
	return func(i int) error {
		c := <-turn
		defer func() { turn <- c }()
		return commitRaw(c, func() error { return freshRow(i, sessile.Meta{}).insert(c) })
	}
}

// createWay is a way to create a session durably.
type createWay struct {
	name string
	call func(int) error
}

// createWays returns ours, with and without the limit of sessions per user, and the bare commits.
func createWays(t *testing.T, n int) []createWay {
	t.Helper()
	return []createWay{
		{"raw commits in turn", rawInTurn(t)},
		{"bare group commit", bareGroup(t)},
		{"sessile", createsOf(t, sessile.NoSessionLimit, 0)},
		{"sessile, limit of 10, new users", createsOf(t, 0, 0)},
		{"sessile, limit of 10, which ends a session", createsOf(t, 0, n)},
	}
}

// createsOf returns creates of our store: for a new user each, or for one of some users in turn.
func createsOf(t *testing.T, limit, users int) func(int) error {
	t.Helper()
	s := openStore(t, filepath.Join(t.TempDir(), "s.db"), 100_000, func(c *sessile.Config) { c.MaxSessionsPerUser = limit })
	data := map[string]string{"profile": profile}
	var next atomic.Int64
	return func(int) error {
		i := next.Add(1)
		if users > 0 {
			i %= int64(users)
		}
		_, _, err := s.Create(context.Background(), sessile.Meta{}, fmt.Sprint("user", i), data)
		return err
	}
}

// durables measures the durable operations, bare commits and bare group commit. The creates take turns.
func durables(t *testing.T, clients []int, rounds int) (list []durable) {
	t.Helper()
	for _, n := range clients {
		ways := createWays(t, n)
		all := make([][]durable, len(ways))
		for range rounds {
			for _, i := range rand.Perm(len(ways)) {
				all[i] = append(all[i], callers(t, "create", ways[i].name, n, ways[i].call))
			}
		}
		for _, l := range all {
			slices.SortFunc(l, func(a, b durable) int { return cmp.Compare(a.PerSecond, b.PerSecond) })
			list = append(list, l[len(l)/2])
		}
		list = append(list, changesOfOurs(t, n)...)
	}
	return list
}

// changesOfOurs measures rotations and destroys.
func changesOfOurs(t *testing.T, n int) (list []durable) {
	t.Helper()
	const rows = 100_000 // enough for the destroys
	ctx := context.Background()
	s := openStore(t, filepath.Join(t.TempDir(), "s.db"), rows, nil)
	ids, _ := fill(t, s, rows, short)
	list = append(list, callers(t, "rotate", "sessile", n, func(i int) error {
		_, err := s.RotateToken(ctx, ids[i])
		return err
	}))
	var next atomic.Int64
	return append(list, callers(t, "destroy", "sessile", n, func(int) error { return s.Destroy(ctx, ids[next.Add(1)-1]) }))
}
