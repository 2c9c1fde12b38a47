package actor

import (
	"sync/atomic"

	"github.com/sessile/sessile/cache"
)

// published is what readers look at without asking the loop. The loop alone writes it,
// and only in publish.
type published struct {
	index  *cache.Index[View]
	epoch  atomic.Uint64 // see core.epoch
	lease  atomic.Int64  // memory may be served before then
	refuse atomic.Bool   // what makes more wait for the disk is refused without asking the loop
	lines  []publication // of publish
}

func newPublished(index *cache.Index[View], lease int64) *published {
	p := &published{index: index, lines: publications()}
	p.lease.Store(lease)
	return p
}

// publish shows readers and callers what a step has decided: line by line, of all entries
// that have changed. A step itself stores nothing that anybody else can see.
func (p *published) publish(hot *cache.Set[View], out *effects) {
	changed := hot.Changed()
	for _, line := range p.lines {
		line.show(p, changed, out)
	}
	hot.Published()
}

// publication is a line of publish.
type publication struct {
	name string
	show func(p *published, changed []*entry, out *effects)
}

// publications is the order in which a step becomes visible. A reader may run between any
// two lines. TestOrderOfPublicationsIsNoticed swaps every two of them in the simulation, in
// which readers do: it notices each order that is called necessary here, and no other.
func publications() []publication {
	return []publication{
		// Necessary before remove: who does not find a session whose changes are not on disk
		// must not take its row for current. An optimistic read that has begun by now sees
		// another epoch when it ends, or finds epoch 0 and asks the loop. One that begins from now on may trust the disk, which
		// has everything that the rest of this step shows.
		{"epoch", func(p *published, _ []*entry, out *effects) {
			if p.epoch.Load() != out.epoch {
				p.epoch.Store(out.epoch)
			}
		}},
		{"remove", func(p *published, l []*entry, _ *effects) { p.index.Remove(l) }},
		// Necessary before put: the token before the last would find a value that does not
		// name it, and be taken for the current one.
		{"unalias", func(p *published, l []*entry, _ *effects) { p.index.Unalias(l) }},
		// The order of these four does not matter: nobody has been told yet what they show. A
		// new token that finds the value of a moment ago is nobody's, and one that finds
		// nothing asks the disk or the loop.
		{"rekey", func(p *published, l []*entry, _ *effects) { p.index.Rekey(l) }},
		{"put", func(p *published, l []*entry, _ *effects) { p.index.Put(l) }},
		{"add", func(p *published, l []*entry, _ *effects) { p.index.Add(l) }},
		{"alias", func(p *published, l []*entry, _ *effects) { p.index.Alias(l) }},
		// Where this stands does not matter: it tells callers what to do next, not what is so.
		{"bounds", func(p *published, _ []*entry, out *effects) {
			if p.lease.Load() != out.lease {
				p.lease.Store(out.lease)
			}
			if p.refuse.Load() != out.refuse {
				p.refuse.Store(out.refuse)
			}
		}},
		// Necessary after remove and rekey: who is told that a session has ended must not find it.
		{"end", func(_ *published, _ []*entry, out *effects) {
			for _, done := range out.ended {
				close(done)
			}
		}},
		// Necessary after what the answers tell, by remove, put and end: who has one finds it
		// so. Of a rotation put is enough: a reader under the old token finds a value that
		// names it as Previous.
		{"answer", func(_ *published, _ []*entry, out *effects) {
			for _, r := range out.replies {
				r.call.reply <- r.load
			}
		}},
	}
}
