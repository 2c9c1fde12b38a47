package bench

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// callSessions is the number of sessions that the benchmarks of calls cycle through. A single session
// would stay in the processor's cache.
const callSessions = 10_000

// callStore returns a store with that many sessions, of which hot stay in memory.
func callStore(b *testing.B, hot int) (*sessile.Store, []sessile.ID, []sessile.Token) {
	b.Helper()
	store, err := sessile.Open(context.Background(), sessile.Config{
		Path: filepath.Join(b.TempDir(), "s.db"), MaxSessionsPerUser: sessile.NoSessionLimit, CacheSize: hot,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	ids, tokens := make([]sessile.ID, callSessions), make([]sessile.Token, callSessions)
	together(b, callSessions, func(i int) error {
		id, token, err := createOne(store, i)
		ids[i], tokens[i] = id, token
		return err
	})
	return store, ids, tokens
}

// together runs n calls, 64 at a time.
func together(b *testing.B, n int, call func(i int) error) {
	b.Helper()
	const callers = 64
	failed := make(chan error, callers)
	for c := range callers {
		go func() {
			for i := c; i < n; i += callers {
				if err := call(i); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range callers {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
}

var callData = map[string]any{"name": "Ada", "cart": []int{1, 2, 3}, "theme": "dark"}

func createOne(store *sessile.Store, i int) (sessile.ID, sessile.Token, error) {
	s, token, err := store.Create(context.Background(), sessile.Meta{}, "user"+strconv.Itoa(i), callData)
	return s.ID(), token, err
}

// BenchmarkCalls measures the store's calls without HTTP. make bench-compare compares them with another
// commit.
func BenchmarkCalls(b *testing.B) {
	ctx := context.Background()
	b.Run("sessile/read", func(b *testing.B) {
		store, _, tokens := callStore(b, 0)
		rounds(b, func(i int) error { _, err := store.ReadByToken(ctx, tokens[i]); return err })
	})
	b.Run("sessile/touch", func(b *testing.B) {
		store, ids, _ := callStore(b, 0)
		rounds(b, func(i int) error {
			now := time.Now()
			return store.Touch(ctx, ids[i], now, now.Add(time.Hour))
		})
	})
	b.Run("sessile/touchLarge", func(b *testing.B) { // the price of a touch does not depend on the data
		store, ids, _ := callStore(b, 0)
		large := new(sessile.Changes).Set("text", strings.Repeat("x", 60_000))
		if _, err := store.Update(ctx, ids[0], large); err != nil {
			b.Fatal(err)
		}
		rounds(b, func(int) error {
			now := time.Now()
			return store.Touch(ctx, ids[0], now, now.Add(time.Hour))
		})
	})
	b.Run("sessile/update", func(b *testing.B) {
		store, ids, _ := callStore(b, 0)
		rounds(b, func(i int) error {
			_, err := store.Update(ctx, ids[i], new(sessile.Changes).Set("theme", "light"))
			return err
		})
	})
	b.Run("sessile/cold", func(b *testing.B) {
		store, _, tokens := callStore(b, callSessions/100)
		rounds(b, func(i int) error { _, err := store.ReadByToken(ctx, tokens[i]); return err })
	})
	b.Run("sessile/create", func(b *testing.B) {
		store, _, _ := callStore(b, 0)
		rounds(b, func(i int) error { _, _, err := createOne(store, i); return err })
	})
	b.Run("sessile/create64", func(b *testing.B) {
		store, _, _ := callStore(b, 0)
		b.ReportAllocs()
		b.ResetTimer()
		together(b, b.N, func(i int) error { _, _, err := createOne(store, i); return err })
	})
}

// rounds cycles through the sessions with one call.
func rounds(b *testing.B, call func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := call(i % callSessions); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
