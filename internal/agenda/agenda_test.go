package agenda

import (
	"math"
	"math/rand/v2"
	"testing"
)

type thing struct{ Moment }

// An agenda is compared with a set of things, of which each is looked at.
func TestAgendaKnowsWhatIsDueFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a Agenda[*thing]
	in := make(map[*thing]bool)
	all := make([]*thing, 100)
	for i := range all {
		all[i] = &thing{}
	}
	for range 20_000 {
		x := all[r.IntN(len(all))]
		if r.IntN(3) == 0 {
			a.Remove(x)
			delete(in, x)
		} else {
			a.Set(x, r.Int64N(50))
			in[x] = true
		}
		first := int64(math.MaxInt64)
		for x := range in {
			first = min(first, x.At)
		}
		if len(a) != len(in) || a.Next() != first {
			t.Fatalf("%d things, the first at %d; want %d at %d", len(a), a.Next(), len(in), first)
		}
		if now := r.Int64N(60); a.Due(now) != (first <= now) {
			t.Fatalf("at %d due: %t; the first is at %d", now, a.Due(now), first)
		}
	}
	for len(a) > 0 {
		if x := a[0]; x.At != a.Next() {
			t.Fatalf("the first is at %d, and Next is %d", x.At, a.Next())
		} else {
			a.Remove(x)
		}
	}
}
