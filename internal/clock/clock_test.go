package clock_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/sessile/sessile/internal/clock"
)

const (
	second = int64(1_000_000)
	year   = 365 * 24 * 3600 * second
)

// However the wall clock is set, the time advances at least as fast as the monotonic clock. It is always
// either the wall clock, or the value that it would have had without the step.
func TestClockNeverGoesBackAndNeverStandsStill(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		wall, mono := 50*year, rng.Int64N(year)
		c := clock.New(wall, mono, 0)
		last := wall
		for range 500 {
			passed := rng.Int64N(20 * second)
			wall, mono = wall+passed, mono+passed
			if rng.IntN(4) == 0 {
				wall += rng.Int64N(20*year) - 10*year
			}
			now, want := c.At(mono), last+passed
			if rng.IntN(2) == 0 {
				now, want = c.Look(wall, mono), max(wall, last+passed)
			}
			if now != want {
				t.Fatalf("seed %d: the time is %d, want %d", seed, now, want)
			}
			last = now
		}
	}
}

func TestClockBehindIsHowFarTheWallClockWasSetBack(t *testing.T) {
	c := clock.New(100*second, 0, 0)
	for _, at := range []struct{ wall, mono, behind int64 }{
		{110, 10, 0}, {80, 20, 40}, {90, 30, 40}, {125, 40, 15}, {140, 41, 1}, {142, 42, 0},
	} {
		c.Look(at.wall*second, at.mono*second)
		if got := c.Behind(); got != at.behind*second {
			t.Errorf("at %d: %d µs behind, want %d s", at.mono, got, at.behind)
		}
	}
}

func TestClockStartsAtTheTimeItMust(t *testing.T) {
	if got := clock.New(100*second, 7, 250*second).At(7 + second); got != 251*second {
		t.Errorf("%d, and the wall clock is behind what the time has been", got)
	}
	if got := clock.New(300*second, 7, 250*second).At(7 + second); got != 301*second {
		t.Errorf("%d, and the wall clock is ahead", got)
	}
}

func TestClockShowsManyReadersOneTime(t *testing.T) {
	c := clock.New(0, 0, 0)
	var readers sync.WaitGroup
	for r := range int64(4) {
		readers.Go(func() {
			last := int64(0)
			for i := range int64(20_000) {
				now := c.Look(i*(r+1)%1000, i)
				if now < last {
					t.Errorf("%d after %d", now, last)
					return
				}
				last = now
			}
		})
	}
	readers.Wait()
}
