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

var searched = flag.Int("stress.search", 20_000, "sessions that a walk lists, and that DestroyAll ends")

// TestSearchAndDestroyAllLeaveRoomForOthers walks over very many sessions, searches them for what none of them has,
// and ends them all. Meanwhile others log in and touch sessions in memory. The heap does not grow with a walk.
// Machines are noisy, so the times are reported, not judged.
func TestSearchAndDestroyAllLeaveRoomForOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	fillMany(t, path, *searched, func(int) bool { return true })
	s, err := sessile.Open(t.Context(), sessile.Config{Path: path, MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	idle, touches := beside(t, s, func() { <-time.After(max(2*time.Second, time.Duration(*searched)*5*time.Microsecond)) })
	t.Logf("idle: login %v; touch %v", idle, touches)
	for _, x := range []struct {
		what string
		do   func() int
		want int
	}{
		{"a walk", func() int { return walk(t, s, sessile.Query{UserID: "many", Limit: 1000}) }, *searched},
		{"a search that finds nothing", func() int { return walk(t, s, sessile.Query{Device: "no such device", Limit: 1000}) }, 0},
		{"DestroyAll", func() int {
			n, err := s.DestroyAll(context.Background())
			if err != nil {
				t.Error(err)
			}
			return min(n, *searched) // others log in meanwhile
		}, *searched},
	} {
		var took time.Duration
		logins, touches := beside(t, s, func() {
			began := time.Now()
			if n := x.do(); n != x.want {
				t.Errorf("%s: %d sessions, want %d", x.what, n, x.want)
			}
			took = time.Since(began)
		})
		t.Logf("%s over %d, %v: login %v, p99 is %.1f times the idle one; touch %v",
			x.what, *searched, took.Round(time.Millisecond), logins, float64(logins.at(99))/float64(max(idle.at(99), 1)), touches)
	}
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
