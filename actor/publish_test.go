package actor

import (
	"fmt"
	"slices"
	"testing"
)

// necessary is which line of publish must come before which.
func necessary() [][2]string {
	return [][2]string{
		{"epoch", "remove"},
		{"unalias", "put"},
		{"remove", "end"}, {"rekey", "end"},
		{"remove", "answer"}, {"put", "answer"}, {"end", "answer"},
	}
}

// broken is what a wrong order breaks, "" if it is as good.
func broken(lines []publication) string {
	at := func(name string) int {
		return slices.IndexFunc(lines, func(p publication) bool { return p.name == name })
	}
	for _, n := range necessary() {
		if at(n[0]) > at(n[1]) {
			return fmt.Sprintf("%s before %s", n[0], n[1])
		}
	}
	return ""
}

// TestPublishNoticesTheWrongOrder swaps every two lines of publish: the simulation, in
// which a reader looks between any two, notices if the order matters, and only then.
func TestPublishNoticesTheWrongOrder(t *testing.T) {
	if b := broken(publications()); b != "" {
		t.Fatalf("the order itself breaks %s", b)
	}
	n, silent := len(publications()), uint64(min(100, *simSeeds/50))
	notices := map[string]uint64{} // by what is broken: the seed of a run that notices
	for i := range n {
		for j := i + 1; j < n; j++ {
			lines := publications()
			lines[i], lines[j] = lines[j], lines[i]
			breaks := broken(lines)
			runs := silent
			if breaks != "" {
				runs = 2000
			}
			name := fmt.Sprintf("%s and %s", lines[j].name, lines[i].name)
			failure := failsWith(t, lines, max(1, notices[breaks]))
			for seed := uint64(1); seed <= runs && failure == ""; seed++ {
				if failure = failsWith(t, lines, seed); failure != "" {
					notices[breaks] = seed
				}
			}
			switch {
			case breaks != "" && failure == "":
				t.Errorf("%s are swapped, which breaks %s, and none of %d runs noticed", name, breaks, runs)
			case breaks == "" && failure != "":
				t.Errorf("%s are swapped, which should not matter: %s", name, failure)
			}
		}
	}
}

// failsWith is how one simulated run fails with an order of publish, "" if it does not.
func failsWith(t *testing.T, lines []publication, seed uint64) (failure string) {
	t.Helper()
	m := newSim(t, seed, "", false)
	m.lines = lines
	m.boot()
	defer func() {
		if p := recover(); p != nil {
			failure = fmt.Sprint(p)
		}
	}()
	m.run()
	return m.failure
}
