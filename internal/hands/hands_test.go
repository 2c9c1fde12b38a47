//go:build linux

package hands

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile/internal/life"
)

var (
	rounds = flag.Int("hands.rounds", 20, "rounds of other hands on the file")
	seed   = flag.Uint64("hands.seed", 0, "seed of the first round, 0 = another one every time")
	only   = flag.String("hands.act", "", "plays this act alone; several with + between them")
	jobs   = flag.Int("hands.jobs", 8*runtime.NumCPU(), "rounds at a time: they wait more than they work")
)

// tally counts what the rounds did.
type tally struct {
	mu       sync.Mutex
	acts     map[string]int
	acks     int
	errors   int64
	failed   int // rounds in which the store said that it has failed
	slowest  time.Duration
	loose    int
	sessions int
}

// TestOtherHandsLoseNothing: a store whose file others handle serves what is in the
// file, loses nothing that it acknowledged unless it has said within a second that it
// has failed, touches nobody else's file, and recovers when the file is right again (D27).
func TestOtherHandsLoseNothing(t *testing.T) {
	needShell(t)
	if elsewhere(t) {
		return
	}
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	sum := tally{acts: make(map[string]int)}
	t.Run("rounds", func(t *testing.T) {
		for i := range *rounds {
			s := first + uint64(i)
			t.Run(strconv.FormatUint(s, 10), func(t *testing.T) {
				t.Parallel()
				r := newRound(t, s, life.Setup{}, *only)
				found := r.play()
				for _, b := range found {
					t.Error(b)
				}
				if t.Failed() {
					t.Logf("%s%s%s\nagain: go test ./internal/hands -run '^TestOtherHands' -hands.rounds=1 -hands.seed=%d", r.log, r.health.String(), r.journal.of(found), s)
				}
				sum.add(r)
			})
		}
	})
	t.Logf("%d rounds from seed %d, %d acknowledgements, %d sessions, %d calls failed; %d times it failed and said so, %d acknowledgements of the second before may be lost; the slowest recovery took %v",
		*rounds, first, sum.acks, sum.sessions, sum.errors, sum.failed, sum.loose, sum.slowest.Round(time.Millisecond))
}

func (s *tally) add(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range r.acts {
		s.acts[a.name]++
	}
	for _, n := range r.journal.all() {
		if n.Stage == life.Done && n.User != "" {
			s.acks++
			if r.loose(n) {
				s.loose++
			}
		}
		if n.Op == life.Create && n.Stage == life.Done {
			s.sessions++
		}
	}
	if len(r.health.failed()) > 0 {
		s.failed++
	}
	s.errors += r.errors.Load()
	s.slowest = max(s.slowest, r.recovered)
}
