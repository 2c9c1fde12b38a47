package stress

import (
	"context"
	"flag"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

var (
	searched = flag.Int("stress.search", 20_000, "sessions that a walk lists")
	ended    = flag.Int("stress.destroyall", 5000, "sessions that DestroyAll ends")
)

// TestSearchLeavesRoomForOthers walks over very many sessions, and searches them for what none of them has.
// Meanwhile others log in and touch sessions in memory. The heap does not grow with a walk. Machines are noisy, so
// the times are reported, not judged.
func TestSearchLeavesRoomForOthers(t *testing.T) {
	s, idle := openMany(t, *searched)
	for _, x := range []struct {
		what string
		q    sessile.Query
		want int
	}{
		{"a walk", sessile.Query{UserID: "many", Limit: 1000}, *searched},
		{"a search that finds nothing", sessile.Query{Device: "no such device", Limit: 1000}, 0},
	} {
		beside(t, s, idle, x.what, *searched, func() {
			if n := walk(t, s, x.q); n != x.want {
				t.Errorf("%s: %d sessions, want %d", x.what, n, x.want)
			}
		})
	}
}

// TestDestroyAllLeavesRoomForOthers ends very many sessions while others log in.
func TestDestroyAllLeavesRoomForOthers(t *testing.T) {
	s, idle := openMany(t, *ended)
	beside(t, s, idle, "DestroyAll", *ended, func() {
		if n, err := s.DestroyAll(context.Background()); n < *ended || err != nil {
			t.Errorf("%d sessions ended, want %d: %v", n, *ended, err)
		}
	})
}

// openMany opens a store with active sessions, and returns how long logins take in it while nothing else is done.
func openMany(t *testing.T, n int) (s *sessile.Store, idle latencies) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	fillMany(t, path, n, func(int) bool { return true })
	s, err := sessile.Open(t.Context(), sessile.Config{Path: path, MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	idle, touches := others(t, s, func() { <-time.After(max(2*time.Second, time.Duration(n)*5*time.Microsecond)) })
	t.Logf("idle: login %v; touch %v", idle, touches)
	return s, idle
}

// beside reports how long logins and touches take while do runs.
func beside(t *testing.T, s *sessile.Store, idle latencies, what string, n int, do func()) {
	t.Helper()
	began := time.Now()
	logins, touches := others(t, s, do)
	t.Logf("%s over %d, %v: login %v, p99 is %.1f times the idle one; touch %v", what, n,
		time.Since(began).Round(time.Millisecond), logins, float64(logins.at(99))/float64(max(idle.at(99), 1)), touches)
}

// walk returns how many sessions all pages list. It compares the live heap at every tenth of the walk.
func walk(t *testing.T, s *sessile.Store, q sessile.Query) (n int) {
	t.Helper()
	const allowed = 32 << 20
	runtime.GC()
	first, most, pages := liveHeap(), uint64(0), 0
	for {
		p, err := s.Search(context.Background(), q)
		if err != nil {
			t.Error(err)
			return n
		}
		n += len(p.Sessions)
		if pages++; pages%max(*searched/10_000, 1) == 0 {
			runtime.GC()
			most = max(most, liveHeap())
		}
		if q.After = p.Next; p.Next == "" {
			break
		}
	}
	t.Logf("%d pages; live heap %d kB before, at most %d kB", pages, first>>10, most>>10)
	if most > first+allowed {
		t.Errorf("the heap grows by %d bytes (allowed: %d)", most-first, allowed)
	}
	return n
}
