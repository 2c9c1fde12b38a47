package actor

import (
	"errors"
	"testing"
	"time"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// interval is the BatchInterval of a rig, in microseconds.
const interval = 100_000

// do gives the state a message and returns the effects, which hold until the next.
func (g *rig) do(m message) *effects {
	out := g.s.step(m, g.now, g.now)
	if out.batch != nil {
		g.batch = out.batch
	}
	return out
}

// full reports whether the gate is shut after a step.
func (g *rig) full(*effects) bool { return g.s.gated }

// pass lets time pass and wakes the state.
func (g *rig) pass(d int64) *effects {
	g.now += d
	return g.do(wake{})
}

// calm is what the state publishes after a step.
func (g *rig) calm(*effects) uint64 { return g.s.calm.Load() }

// settle commits the batch in flight and tells the state.
func (g *rig) settle() *effects { g.Helper(); return g.do(g.commit()) }

// fails ends the commit in flight with err, nothing done.
func (g *rig) fails(err error) *effects {
	g.batch = nil
	return g.do(settled{err: err})
}

// refuses ends the commit in flight: each item is refused by itself.
func (g *rig) refuses(err error) *effects {
	b := g.batch
	g.batch = nil
	no := func(n int) []persist.Outcome {
		l := make([]persist.Outcome, n)
		for i := range l {
			l[i] = persist.Outcome{Status: persist.Failed, Err: err}
		}
		return l
	}
	return g.do(settled{result: persist.Result{Ops: no(len(b.Ops)), Writes: no(len(b.Writes)), Touches: no(len(b.Touches))}})
}

func (g *rig) touch(id persist.ID) *request {
	r := g.req(kindTouch)
	r.id, r.slide = id, true
	return r
}

func (g *rig) update(id persist.ID, value string) *request {
	r := g.req(kindUpdate)
	r.id, r.maxData, r.changes = id, 1<<20, []object.Change{{Key: "k", Value: []byte(value)}}
	return r
}

func (g *rig) durable(id persist.ID, value string) *request {
	r := g.update(id, value)
	r.durable = true
	return r
}

func (g *rig) rotate(id persist.ID, to byte) *request {
	r := g.req(kindRotate)
	r.id, r.to = id, persist.Hash{2, to}
	return r
}

func (g *rig) destroy(id persist.ID) *request {
	r := g.req(kindDestroy)
	r.id = id
	return r
}

func (g *rig) wipe(user string) *request {
	r := g.req(kindDestroyUser)
	r.user.ID = user
	return r
}

func (g *rig) read(h persist.Hash) *request {
	r := g.req(kindRead)
	r.key.Hash = h
	return r
}

// stats asks for the counters.
func (g *rig) stats() Stats {
	g.Helper()
	r := g.req(kindStats)
	return g.answer(g.do(r), r).stats
}

// answer is the one answer to r among the effects.
func (g *rig) answer(out *effects, r *request) response {
	g.Helper()
	var found []response
	for _, a := range out.replies {
		if a.req == r {
			found = append(found, a.response)
		}
	}
	if len(found) != 1 {
		g.Fatalf("%d answers", len(found))
	}
	return found[0]
}

// waits fails unless r has no answer among the effects.
func (g *rig) waits(out *effects, r *request) {
	g.Helper()
	for _, a := range out.replies {
		if a.req == r {
			g.Fatalf("answered: %v", a.err)
		}
	}
}

// refused fails unless r is answered with want.
func (g *rig) refused(out *effects, r *request, want error) {
	g.Helper()
	if err := g.answer(out, r).err; !errors.Is(err, want) {
		g.Fatalf("%v, want %v", err, want)
	}
}

// ok fails unless r is answered without an error.
func (g *rig) ok(out *effects, r *request) response {
	g.Helper()
	a := g.answer(out, r)
	if a.err != nil || a.load != nil {
		g.Fatalf("%v, load %t", a.err, a.load != nil)
	}
	return a
}

// carries fails unless a batch with that many operations, writes and touches is on its way.
func (g *rig) carries(ops, writes, touches int) *persist.Batch {
	g.Helper()
	b := g.batch
	if b == nil {
		g.Fatal("no batch")
	}
	if len(b.Ops) != ops || len(b.Writes) != writes || len(b.Touches) != touches {
		g.Fatalf("%d operations, %d writes, %d touches; want %d, %d, %d",
			len(b.Ops), len(b.Writes), len(b.Touches), ops, writes, touches)
	}
	return b
}

// empty fails if a batch is on its way.
func (g *rig) empty() {
	g.Helper()
	if g.batch != nil {
		g.Fatalf("a batch of %d", g.batch.Len())
	}
}

// creates makes n sessions of as many users.
func (g *rig) creates(n int) []*persist.Record {
	g.Helper()
	l := make([]*persist.Record, n)
	for i := range l {
		l[i] = g.create("user" + string(rune('a'+i)))
	}
	return l
}

// fly puts a touch of a session of its own in flight, so that what follows collects.
func (g *rig) fly() {
	g.Helper()
	g.do(g.touch(g.create("flyer").ID))
	g.pass(interval)
	g.carries(0, 0, 1)
}

// equal fails unless got is want.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// micro is n microseconds.
func micro(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// happened counts the events of a kind among the effects.
func happened(out *effects, k EventKind) int {
	n := 0
	for _, e := range out.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}
