package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile"
)

// writeRate is how many changes per second reach the disk.
type writeRate struct {
	Definition string  `json:"definition"`
	What       string  `json:"what"`
	Sessions   int     `json:"sessions"`
	PerSecond  float64 `json:"per_second"`
}

// short returns a client with a short user agent.
func short() sessile.Meta { return sessile.Meta{UserAgent: "Firefox"} }

// browser returns a client with the user agent of a real browser, 111 bytes.
func browser() sessile.Meta {
	const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	return sessile.NewMeta("203.0.113.195", agent, "de-DE,de;q=0.9")
}

// fill creates sessions concurrently.
func fill(tb testing.TB, s *sessile.Store, n int, meta func() sessile.Meta) (ids []sessile.ID, tokens []sessile.Token) {
	tb.Helper()
	ids, tokens = make([]sessile.ID, n), make([]sessile.Token, n)
	data := map[string]string{"profile": profile}
	var group sync.WaitGroup
	const together = 256
	for w := range together {
		group.Go(func() {
			for i := w; i < n; i += together {
				x, t, err := s.Create(context.Background(), meta(), fmt.Sprint("user", i), data)
				if err != nil {
					tb.Error(err)
					return
				}
				ids[i], tokens[i] = x.ID(), t
			}
		})
	}
	group.Wait()
	return ids, tokens
}

// rate reports how long n changes took.
func rate(what string, n int, began time.Time) writeRate {
	r := writeRate{What: what, Sessions: n, PerSecond: float64(n) / time.Since(began).Seconds()}
	fmt.Printf("write-behind/sessions=%d %s: %.0f/s\n", n, r.What, r.PerSecond)
	return r
}

// writeBehind measures touches and updates that reach the disk, each session once in random order. It
// compares them with the same statements in a bare loop, and with an obvious schema. All store the same
// columns. The bare loops start with a synced file and commit changes as they arrive. Those with a
// window choose from as many changes as are pending in our store. They run second, in another order.
func writeBehind(t *testing.T) (list []writeRate) {
	t.Helper()
	order := rand.New(rand.NewPCG(1, 2)).Perm(*large)
	list = append(list, ourRates(t, order)...)
	list = append(list, rawRates(t, order)...)
	for _, w := range wideTables() {
		list = append(list, w.measure(t, order)...)
	}
	return list
}

func ourRates(t *testing.T, order []int) (list []writeRate) {
	t.Helper()
	n, ctx := len(order), context.Background()
	s := openStore(t, filepath.Join(t.TempDir(), "s.db"), n, nil)
	ids, _ := fill(t, s, n, browser)
	began := time.Now()
	inParallel(t, s, order, func(i int) error { return s.Touch(ctx, ids[i], began, began.Add(time.Hour)) })
	sync1(t, s)
	list = append(list, rate("sessile touches", n, began))
	began = time.Now()
	inParallel(t, s, order, func(i int) error {
		_, err := s.Update(ctx, ids[i], new(sessile.Changes).Set("n", i))
		return err
	})
	sync1(t, s)
	list = append(list, rate("sessile updates", n, began))
	if n := s.Stats().TouchesDropped; n > 0 {
		t.Errorf("%d touches were dropped", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return list
}

// crowded is the number of pending changes at which clients wait. At 49,152, a store with the defaults drops touches.
const crowded = 44_000

// inParallel does what the requests of 64 clients would do. They wait while so much is pending that
// touches would soon be dropped.
func inParallel(t *testing.T, s *sessile.Store, order []int, change func(int) error) {
	t.Helper()
	full, end := whileCrowded(s)
	defer end()
	var group sync.WaitGroup
	for part := range slices.Chunk(order, (len(order)+63)/64) {
		group.Go(func() {
			for _, i := range part {
				for full.Load() {
					<-time.After(5 * time.Millisecond)
				}
				if err := change(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// whileCrowded samples the number of pending changes until end is called.
func whileCrowded(s *sessile.Store) (full *atomic.Bool, end func()) {
	full = new(atomic.Bool)
	over := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				full.Store(s.Stats().Pending > crowded)
			}
		}
	})
	return full, func() {
		close(over)
		group.Wait()
	}
}

func sync1(t *testing.T, s *sessile.Store) {
	t.Helper()
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// rawRates changes the same rows of our schema with bare statements.
func rawRates(t *testing.T, order []int) []writeRate {
	t.Helper()
	n, path := len(order), ourSchema(t)
	filled(t, path, n, func(c *sqlite.Conn, i int) error { return freshRow(i, browser()).insert(c) })
	c := rawConn(t, path)
	now := since + int64(n)*1000
	touch := `UPDATE activity SET last_active = ?, expires_at = min(?, deadline) WHERE key = ?`
	update := `UPDATE session SET data = ?, version = version + 1 WHERE key = ?`
	bind := func(s *sqlite.Stmt, i int) {
		now++ // an unchanged row would cost the disk nothing
		s.BindInt64(1, now)
		s.BindInt64(2, now+month)
		s.BindInt64(3, int64(i+1))
	}
	list := []writeRate{
		inBatches(t, c, "raw touches, narrow table", order, touch, bind),
		inBatches(t, c, "raw touches, narrow table"+windowed, fromWindow(order), touch, bind),
	}
	data := []byte(`{"n":1,"profile":"` + profile + `"}`)
	longer := []byte(`{"m":1,"n":1,"profile":"` + profile + `"}`)
	set := func(s *sqlite.Stmt, i int) {
		s.BindBytes(1, data)
		s.BindInt64(2, int64(i+1))
	}
	return append(list,
		inBatches(t, c, "raw updates", order, update, set),
		inBatches(t, c, "raw updates"+windowed, fromWindow(order), update, func(s *sqlite.Stmt, i int) {
			s.BindBytes(1, longer) // rows grow again
			s.BindInt64(2, int64(i+1))
		}),
	)
}

const windowed = ", of a window"

// fromWindow returns the order of a loop that sorts as many changes by key as are pending in our store.
// The changes arrive in another order than before.
func fromWindow(order []int) (list []int) {
	again := slices.Clone(order)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
	for some := range slices.Chunk(again, crowded) {
		slices.Sort(some)
		list = append(list, some...)
	}
	return list
}

// filled writes n rows into a file without durability.
func filled(t *testing.T, path string, n int, insert func(c *sqlite.Conn, i int) error) {
	t.Helper()
	c := fillConn(t, path)
	err := commitRaw(c, func() error {
		for i := range n {
			if err := insert(c, i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	onDisk(t, path)
}

// onDisk syncs a filled file, so that the next measurement does not pay for it.
func onDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// inBatches executes a statement for every session, in commits of 4,096, each in key order.
func inBatches(t *testing.T, c *sqlite.Conn, what string, order []int, statement string, bind func(s *sqlite.Stmt, i int)) writeRate {
	t.Helper()
	began := time.Now()
	for batch := range slices.Chunk(slices.Clone(order), 4096) {
		slices.Sort(batch)
		err := commitRaw(c, func() error {
			s, err := c.Prepare(statement)
			if err != nil {
				return err
			}
			for _, i := range batch {
				bind(s, i)
				if err := run(s); err != nil {
					return err
				}
				if c.Changes() != 1 {
					return fmt.Errorf("%s: session %d is not there", what, i)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return rate(what, len(order), began)
}
