package power

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

// firstSeed returns the seed of the flag, or a new one.
func firstSeed() uint64 {
	if *seed == 0 {
		return rand.Uint64N(1 << 32)
	}
	return *seed
}

// runs makes n runs with the seeds from first on.
func runs(t *testing.T, n int, first uint64, like run, flags string) {
	t.Helper()
	vfs := faultvfs.NewForBubble(t.Name())
	did, acks, events := 0, 0, 0
	for i := range n {
		u := like
		u.seed = first + uint64(i)
		t.Run(strconv.FormatUint(u.seed, 10), func(t *testing.T) { u.do(t, vfs) })
		did, acks, events = did+u.cutsDid, acks+u.acks, events+u.events
		if u.broken > 0 {
			t.Errorf("seed %d: %d of %d cuts broke a promise: %v; the first, %s\nagain: go test ./internal/power -run '^%s$' %s -cuts.seed=%d",
				u.seed, u.broken, u.cutsDid, u.found, u.first, t.Name(), flags, u.seed)
		}
	}
	t.Logf("%d cuts in %d runs from seed %d, %d acknowledgements, %d events", did, n, first, acks, events)
}

// A power cut at any moment undoes nothing acknowledged and leaves no damaged file.
func TestPowerCutBreaksNoPromise(t *testing.T) { // D23, I1, I2, I3, R2
	runs(t, (*cuts+cutsPerRun-1)/cutsPerRun, firstSeed(), run{cuts: cutsPerRun}, fmt.Sprintf("-cuts=%d", cutsPerRun))
}

// A failed sync is never trusted, even if a retry succeeds. What it covered is acknowledged only after it was
// written again. When the disk works again, so does the store.
func TestPowerFailedSyncIsNotTrusted(t *testing.T) { // D10, D9, R5
	runs(t, *gates, firstSeed(), run{cuts: *per, gate: true}, fmt.Sprintf("-gates=1 -gates.cuts=%d", *per))
}

// Negative controls: deliberate faults are detected.
func TestPowerNoticesABrokenStore(t *testing.T) {
	for name, c := range map[string]struct {
		run  run
		want []ledger.Kind
	}{
		"synchronous is OFF":                               {run{dropSyncs: true}, []ledger.Kind{ledger.Lost, ledger.Undone, ledger.Resurrected}},
		"failed syncs are ignored":                         {run{gate: true, hideSyncErrors: true}, []ledger.Kind{ledger.Lost}},
		"a destroy is acknowledged before it is committed": {run{wrap: harness.EarlyDestroys}, []ledger.Kind{ledger.Undone}},
		"a rotation leaves the old token good":             {run{wrap: harness.GracefulRotations}, []ledger.Kind{ledger.Resurrected}},
	} {
		t.Run(name, func(t *testing.T) {
			vfs := faultvfs.NewForBubble(t.Name())
			found, did, broken := make(map[ledger.Kind]int), 0, 0
			for i := range uint64(10) {
				u := c.run
				u.seed, u.cuts = i+1, 40
				t.Run("", func(t *testing.T) { u.do(t, vfs) })
				did, broken = did+u.cutsDid, broken+u.broken
				for k, n := range u.found {
					found[k] += n
				}
				if !slices.ContainsFunc(c.want, func(k ledger.Kind) bool { return found[k] == 0 }) {
					t.Logf("noticed: %d of %d cuts, %v", broken, did, found)
					return
				}
			}
			t.Errorf("not noticed in %d cuts: %v", did, found)
		})
	}
}

// A seed alone determines a run, so that a failure is reproducible.
func TestPowerSeedDecidesTheRun(t *testing.T) {
	var shapes [2][]string
	for i := range shapes {
		u := run{seed: 7, gate: true}
		t.Run("", func(t *testing.T) { u.do(t, faultvfs.NewForBubble(t.Name())) })
		shapes[i] = Shape(u.rec.Events())
	}
	for i, a := range shapes[0] {
		if i >= len(shapes[1]) || shapes[1][i] != a {
			t.Fatalf("event %d differs:\n%q\n%q", i, shapes[0][max(0, i-6):i+4], shapes[1][max(0, i-6):min(i+4, len(shapes[1]))])
		}
	}
	if len(shapes[0]) != len(shapes[1]) {
		t.Fatalf("%d and %d events", len(shapes[0]), len(shapes[1]))
	}
}
