package bench

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sessile/sessile"
)

// lookup is the cost of finding a hot session by its token, without HTTP.
type lookup struct {
	Definition string  `json:"definition"`
	What       string  `json:"what"`
	Sessions   int     `json:"sessions"`
	Clients    int     `json:"clients"`
	NS         float64 `json:"median_ns"`
}

// hashed is the hash that every lookup needs.
func hashed(raw *[39]byte) [32]byte { return sha256.Sum256(raw[:]) }

// finders returns the ways of finding the i-th session.
func finders(t *testing.T, n int) (names []string, find []func(int)) {
	t.Helper()
	raw := make([][39]byte, n)
	var plain sync.Map
	fast := otter.Must(&otter.Options[[32]byte, *int]{MaximumSize: 2 * n})
	for i := range raw {
		for j := range raw[i] {
			raw[i][j] = byte(rand.Uint32())
		}
		h := hashed(&raw[i])
		plain.Store(h, new(int))
		fast.Set(h, new(int))
	}
	s := openStore(t, filepath.Join(t.TempDir(), "s.db"), n, nil)
	_, tokens := fill(t, s, n, short)
	texts := make([]string, n)
	for i, token := range tokens {
		texts[i] = token.Reveal()
	}
	names = []string{"sessile", "sessile, by text", "SHA-256", "SHA-256 + sync.Map", "SHA-256 + otter"}
	return names, []func(int){
		func(i int) {
			if _, err := s.ReadByToken(context.Background(), tokens[i]); err != nil {
				panic(err)
			}
		},
		func(i int) { // includes the decoding, but no copy
			if x, err := s.Lookup(context.Background(), texts[i]); err != nil || x.UserID() == "" {
				panic(err)
			}
		},
		func(i int) {
			h := hashed(&raw[i])
			runtime.KeepAlive(&h)
		},
		func(i int) {
			if _, ok := plain.Load(hashed(&raw[i])); !ok {
				panic("not found")
			}
		},
		func(i int) {
			if _, ok := fast.GetIfPresent(hashed(&raw[i])); !ok {
				panic("not found")
			}
		},
	}
}

// lookups measures the ways in turns.
func lookups(t *testing.T, n int) (list []lookup) {
	t.Helper()
	names, find := finders(t, n)
	order := rand.New(rand.NewPCG(5, 6)).Perm(n)
	for _, clients := range []int{1, 2, 64} {
		times := make([][]float64, len(find))
		for range 9 {
			for k, f := range find {
				times[k] = append(times[k], lookUp(f, order, clients))
			}
		}
		for k, name := range names {
			slices.Sort(times[k])
			l := lookup{What: name, Sessions: n, Clients: clients, NS: times[k][len(times[k])/2]}
			fmt.Printf("lookup/sessions=%d/clients=%d %s: %.0f ns\n", n, clients, name, l.NS)
			list = append(list, l)
		}
	}
	return list
}

// lookUp returns the time of a lookup in nanoseconds, over all clients.
func lookUp(find func(int), order []int, clients int) float64 {
	const each = 200_000
	var group sync.WaitGroup
	began := time.Now()
	for c := range clients {
		group.Go(func() {
			k := c * len(order) / clients
			for range each / clients {
				find(order[k])
				if k++; k == len(order) {
					k = 0
				}
			}
		})
	}
	group.Wait()
	return float64(time.Since(began).Nanoseconds()) / each
}

// readTimes is how long reads take in nanoseconds, under one kind of load.
type readTimes struct {
	Definition string  `json:"definition"`
	When       string  `json:"when"`
	MedianNS   float64 `json:"median_ns"`
	P99NS      float64 `json:"p99_ns"`
	P999NS     float64 `json:"p999_ns"`
}

// readsWhileWriting times single hot reads: alone, while another goroutine uses a core, while full batches are
// committed, and while an attacker tries tokens.
func readsWhileWriting(t *testing.T, n int) (list []readTimes) {
	t.Helper()
	s := openStore(t, filepath.Join(t.TempDir(), "s.db"), n, nil)
	ids, tokens := fill(t, s, n, short)
	for _, what := range []struct {
		name string
		do   func(int)
	}{
		{"nothing else happens", nil},
		{"another goroutine hashes", func(i int) { h := sha256.Sum256(ids[i][:]); runtime.KeepAlive(&h) }},
		{"sessions are changed and committed", func(i int) {
			if _, err := s.Update(context.Background(), ids[i], new(sessile.Changes).Set("n", i)); err != nil {
				panic(err)
			}
		}},
		{"a stranger's tokens are refused", func(i int) {
			if _, err := s.Lookup(context.Background(), made(i)); !errors.Is(err, sessile.ErrNotFound) {
				panic(err)
			}
		}},
	} {
		end := meanwhile(n, what.do)
		times := readOneByOne(t, s, tokens)
		end()
		at := func(q float64) float64 { return times[int(q*float64(len(times)-1))] }
		c := readTimes{When: what.name, MedianNS: at(0.5), P99NS: at(0.99), P999NS: at(0.999)}
		fmt.Printf("reads while %s: median %.0f ns, p99 %.0f ns, p99.9 %.0f ns\n", c.When, c.MedianNS, c.P99NS, c.P999NS)
		list = append(list, c)
	}
	return list
}

// made returns a well-formed token that no store has issued.
func made(i int) string {
	raw := [39]byte{1}
	binary.BigEndian.PutUint64(raw[8:], uint64(i))
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// meanwhile runs do for one session after the other until end is called.
func meanwhile(n int, do func(int)) (end func()) {
	over := make(chan struct{})
	var group sync.WaitGroup
	if do != nil {
		group.Go(func() {
			for i := 0; ; i = (i + 1) % n {
				select {
				case <-over:
					return
				default:
					do(i)
				}
			}
		})
	}
	return func() {
		close(over)
		group.Wait()
	}
}

// readOneByOne returns the sorted times of single reads in nanoseconds.
func readOneByOne(t *testing.T, s *sessile.Store, tokens []sessile.Token) (times []float64) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 3*time.Second; {
		token := tokens[rand.IntN(len(tokens))]
		from := time.Now()
		if _, err := s.ReadByToken(context.Background(), token); err != nil {
			t.Fatal(err)
		}
		times = append(times, float64(time.Since(from).Nanoseconds()))
	}
	slices.Sort(times)
	return times
}
