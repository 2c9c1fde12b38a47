//go:build linux

package foreign

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

var (
	rounds = flag.Int("foreign.rounds", 20, "rounds of other programs on the file")
	seed   = flag.Uint64("foreign.seed", 0, "seed of the first round, 0 = another one every time")
	only   = flag.String("foreign.action", "", "plays this action alone; several with + between them")
	jobs   = flag.Int("foreign.jobs", 8*runtime.NumCPU(), "rounds at a time: they wait more than they work")
)

// tally counts what the rounds did.
type tally struct {
	mu        sync.Mutex
	actions   map[string]int
	acks      int
	errors    int64
	failed    int // rounds in which the store reported a failure
	slowest   time.Duration
	uncertain int
	sessions  int
}

// Other programs use the store's file. The store serves what is in the file. It loses nothing acknowledged,
// unless it has reported a failure within a second. It does not touch other files. It recovers when the file
// is right again.
func TestForeignProgramsLoseNothing(t *testing.T) { // D27
	needShell(t)
	if reexec(t) {
		return
	}
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	sum := tally{actions: make(map[string]int)}
	t.Run("rounds", func(t *testing.T) {
		for i := range *rounds {
			s := first + uint64(i)
			t.Run(strconv.FormatUint(s, 10), func(t *testing.T) {
				t.Parallel()
				r := newRound(t, s, harness.Setup{}, *only)
				found := r.play()
				for _, b := range found {
					t.Error(b)
				}
				if t.Failed() {
					t.Logf("%s%s%s\nagain: go test ./internal/foreign -run '^TestForeign' -foreign.rounds=1 -foreign.seed=%d", r.log, r.health.String(), r.history.of(found), s)
				}
				sum.add(r)
			})
		}
	})
	t.Logf("%d rounds from seed %d, %d acknowledgements, %d sessions, %d calls failed; %d times it failed and said so, %d acknowledgements of the second before may be lost; the slowest recovery took %v",
		*rounds, first, sum.acks, sum.sessions, sum.errors, sum.failed, sum.uncertain, sum.slowest.Round(time.Millisecond))
}

func (s *tally) add(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range r.actions {
		s.actions[a.name]++
	}
	for _, n := range r.history.all() {
		if n.Stage == ledger.Done && n.User != "" {
			s.acks++
			if r.uncertain(n) {
				s.uncertain++
			}
		}
		if n.Op == ledger.Create && n.Stage == ledger.Done {
			s.sessions++
		}
	}
	if len(r.health.failed()) > 0 {
		s.failed++
	}
	s.errors += r.errors.Load()
	s.slowest = max(s.slowest, r.recovered)
}
