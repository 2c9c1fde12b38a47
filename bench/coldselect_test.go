package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile"
)

// coldSelect is what a read of a session costs that is not in memory, or the SELECT that it needs.
type coldSelect struct {
	Definition string  `json:"definition"`
	Contestant string  `json:"contestant"`
	Clients    int     `json:"clients"`
	Sessions   int     `json:"sessions"`
	PerSecond  float64 `json:"per_second"` // median of the rounds
	quantiles          // over all rounds
}

const (
	ofOurs   = "sessile"
	ofSelect = "bare SELECT, four connections"
)

// coldSelects compares both in turns. The context of each read can end, as that of a request can. Every read draws from all
// sessions, of which one in a hundred may be in memory.
func coldSelects(t *testing.T, sessions int, clients []int, rounds int, each time.Duration) (list []coldSelect) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	s := openStore(t, path, sessions, func(c *sessile.Config) { c.CacheSize = hotSet(sessions).hot })
	_, tokens := fill(t, s, sessions, short)
	sync1(t, s)
	reads := []func(context.Context, int) error{
		func(ctx context.Context, i int) error { _, err := s.ReadByToken(ctx, tokens[i]); return err },
		selectsOf(t, path, tokens),
	}
	for _, n := range clients {
		rates, all := make([][]float64, len(reads)), make([]tally, len(reads))
		for round := range rounds + 1 {
			for _, i := range rand.Perm(len(reads)) {
				x, took := readCold(t, reads[i], sessions, n, each)
				if round == 0 {
					continue // warms up
				}
				rates[i] = append(rates[i], float64(x.n)/took.Seconds())
				all[i].join(x)
			}
		}
		for i, name := range []string{ofOurs, ofSelect} {
			slices.Sort(rates[i])
			x := coldSelect{Contestant: name, Clients: n, Sessions: sessions, PerSecond: rates[i][len(rates[i])/2], quantiles: all[i].summary()}
			fmt.Printf("cold read/sessions=%d/clients=%d %s: %.0f/s, p50 %.0f us, p99 %.0f us\n", sessions, n, name, x.PerSecond, x.P50US, x.P99US)
			list = append(list, x)
		}
	}
	return list
}

// selectsOf returns the bare statement on as many connections as a store has readers, with their settings.
func selectsOf(t *testing.T, path string, tokens []sessile.Token) func(context.Context, int) error {
	t.Helper()
	const readers = 4
	idle := make(chan *sqlite.Conn, readers)
	for range readers {
		idle <- connect(t, path, "query_only=ON", "cache_size=-16384", "mmap_size=0")
	}
	hashes := make([][]byte, len(tokens))
	for i, token := range tokens {
		hashes[i] = hashOf(token)
	}
	return func(_ context.Context, i int) error {
		c := <-idle
		defer func() { idle <- c }()
		return rawRead(c, hashes[i])
	}
}

// readCold has clients read for a while.
func readCold(t *testing.T, read func(context.Context, int) error, sessions, clients int, each time.Duration) (*tally, time.Duration) {
	t.Helper()
	all := make([]tally, clients)
	var group sync.WaitGroup
	began := time.Now()
	for k := range clients {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			rng := rand.New(rand.NewPCG(uint64(k), uint64(began.UnixNano())))
			for from := began; from.Sub(began) < each; {
				if err := read(ctx, rng.IntN(sessions)); err != nil {
					t.Error(err)
					return
				}
				now := time.Now()
				all[k].add(now.Sub(from))
				from = now
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	for i := range all[1:] {
		all[0].join(&all[1+i])
	}
	return &all[0], took
}

// TestColdSelectsMeasuresBoth runs a few reads of each.
func TestColdSelectsMeasuresBoth(t *testing.T) {
	rows := coldSelects(t, 200, []int{1, 4}, 1, 10*time.Millisecond)
	for _, x := range rows {
		if x.PerSecond == 0 || x.P99US == 0 {
			t.Errorf("got %+v", x)
		}
	}
	if len(rows) != 4 {
		t.Errorf("%d rows, not 4", len(rows))
	}
}
