package bench

import "testing"

// TestFloorCostsTwoObjects keeps the floor as low as a request with a context can be.
func TestFloorCostsTwoObjects(t *testing.T) {
	s := newSite(t, contestantNamed("floor"), 100, options{})
	x := newCrew(s, work{target: "/read"}, 1).workers[0]
	if n := testing.AllocsPerRun(1000, x.step); n > 2 {
		t.Errorf("a read costs %.0f objects, not 2", n)
	}
}
