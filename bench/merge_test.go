package bench

import (
	"path/filepath"
	"testing"
	"time"
)

// TestMergeReplacesOnlyTheMeasuredPart keeps the results of other parts.
func TestMergeReplacesOnlyTheMeasuredPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "day")
	growths := func(sizes ...int) func(*testing.T, *report) {
		return func(_ *testing.T, r *report) {
			for _, n := range sizes {
				r.Growth = append(r.Growth, growth{
					Sessions: n, HotReadNS: float64(n), ColdReadUS: 1, RawSelectUS: 1, MemoryBytes: 1, FileBytes: float64(len(sizes)),
				})
			}
		}
	}
	for _, p := range []part{
		{"huge", growths(10_000)},
		{"growth", growths(1000, 100)},
		{"lookups", func(_ *testing.T, r *report) { r.Lookups = []lookup{{What: "sessile", Sessions: 1, Clients: 1, NS: 5}} }},
		{"huge", growths(10_000)},
		{"writing", func(t *testing.T, r *report) { r.WhileWriting = []readTimes{{}}; t.Skip("cannot run here") }},
	} {
		if err := measurePart(t, p, path, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Parts) != 3 || len(r.Lookups) != 1 || len(r.WhileWriting) != 0 || len(r.Growth) != 3 {
		t.Fatalf("got %+v", r)
	}
	for i, want := range []growth{{Sessions: 100, FileBytes: 2}, {Sessions: 1000, FileBytes: 2}, {Sessions: 10_000, FileBytes: 1}} {
		if g := r.Growth[i]; g.Sessions != want.Sessions || g.FileBytes != want.FileBytes {
			t.Errorf("row %d: %+v, want %+v", i, g, want)
		}
	}
}

// TestMergeRefusesAnUnknownPart names the parts that exist.
func TestMergeRefusesAnUnknownPart(t *testing.T) {
	if list, err := chosenParts("growth,one"); err != nil || len(list) != 2 || list[0].name != "one" {
		t.Errorf("got %v, %v", list, err)
	}
	if _, err := chosenParts("growht"); err == nil {
		t.Error("a part that does not exist was accepted")
	}
}
