package actor

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/persist"
)

// published is what readers look at without asking the loop. The loop alone writes it,
// and only in publish.
type published struct {
	index  *cache.Index[View]
	epoch  atomic.Uint64 // see core.epoch
	lease  atomic.Int64  // memory may be served before then
	refuse atomic.Bool   // what makes more wait for the disk is refused without asking the loop
	ends   ends
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
// two lines. TestPublishNoticesTheWrongOrder swaps every two of them in the simulation, in
// which readers do: it notices each order that is called necessary here, and no other.
func publications() []publication {
	return []publication{
		// Necessary before remove: who does not find a session whose changes are not on disk
		// must not take its row for current. An optimistic read that has begun by now sees
		// another epoch when it ends, or finds epoch 0 and asks the loop. One that begins from
		// now on may trust the disk, which has everything that the rest of this step shows.
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
		// Who is told asks for the reason.
		{"end", func(p *published, _ []*entry, out *effects) {
			p.ends.add(out.ends)
			for _, done := range out.ended {
				close(done)
			}
		}},
		// Necessary after what the answers tell, by remove, put and end: who has one finds it
		// so. Of a rotation put is enough: a reader under the old token finds a value that
		// names it as Previous.
		{"answer", func(_ *published, _ []*entry, out *effects) {
			for _, r := range out.replies {
				r.call.resume <- r.load
			}
		}},
	}
}

const (
	eventRoom  = 1024     // events that the observer's channel holds
	eventBytes = 64 << 20 // estimated size of the loop's events beyond those: room for 300,000 ends
	eventSize  = 200      // of an event beside its strings
)

// observer hands events over, one after the other. Nothing it does can hold up or break an
// operation: nobody waits for it, and what it has no room for is dropped and counted by kind.
//
// The loop decides in bursts, as the ends of 100,000 sessions. What the channel does not take
// at once the loop keeps, and passes on when there is room. Without that, such a burst lost
// 73 % of its events to an observer that only counted them.
type observer struct {
	observe func(Event)
	events  chan Event
	waiting []Event // the loop's, in order, until the channel takes them
	bytes   int64   // of waiting
	quiet   <-chan struct{}
	ended   chan struct{} // closed when everything has been handed over
	dropped [EventRelieved + 1]atomic.Uint64
}

func newObserver(observe func(Event), quiet <-chan struct{}) observer {
	return observer{observe: observe, events: make(chan Event, eventRoom), quiet: quiet, ended: make(chan struct{})}
}

// Emit queues an event for the observer, or drops it: callers on many goroutines must not
// wait for one. After Close nobody takes it.
func (a *Actor) Emit(e Event) {
	select {
	case a.observer.events <- e:
	default:
		a.observer.drop(e.Kind)
	}
}

// EventsDropped is how many events the observer was too slow for, or panicked over.
func (a *Actor) EventsDropped() (n uint64) {
	for k := range a.observer.dropped {
		n += a.observer.dropped[k].Load()
	}
	return n
}

// EventsDroppedOf is how many of those were of one kind.
func (a *Actor) EventsDroppedOf(k EventKind) uint64 { return a.observer.dropped[k].Load() }

func (o *observer) drop(k EventKind) { o.dropped[min(k, EventRelieved)].Add(1) }

func (e *Event) size() int64 { return eventSize + int64(len(e.UserID)+len(e.Reason)) }

// add takes the events of a step. The loop alone calls it, and alone touches waiting until it
// has ended.
func (o *observer) add(l []Event) {
	for _, e := range l {
		if o.bytes+e.size() > eventBytes {
			o.drop(e.Kind)
			continue
		}
		o.waiting = append(o.waiting, e)
		o.bytes += e.size()
	}
	o.pass()
}

// passed notes that the channel has taken the first of those that wait.
func (o *observer) passed() {
	o.bytes -= o.waiting[0].size()
	o.waiting[0] = Event{}
	if o.waiting = o.waiting[1:]; len(o.waiting) == 0 && cap(o.waiting) > eventRoom {
		o.waiting = nil
	}
}

// pass hands over what the channel takes at once.
func (o *observer) pass() {
	for len(o.waiting) > 0 {
		select {
		case o.events <- o.waiting[0]:
			o.passed()
		default:
			return
		}
	}
}

// run hands events over until nothing more comes. If the observer ends the goroutine
// (runtime.Goexit), another one goes on: one bad event must not end all others.
func (o *observer) run() {
	finished := false
	defer func() {
		if finished {
			close(o.ended)
			return
		}
		go o.run()
	}()
	for {
		select { // what waits comes first
		case e := <-o.events:
			o.one(e)
			continue
		default:
		}
		select {
		case e := <-o.events:
			o.one(e)
		case <-o.quiet:
			o.rest()
			finished = true
			return
		}
	}
}

// rest hands over what is left when nothing more comes.
func (o *observer) rest() {
	for len(o.events) > 0 {
		o.one(<-o.events)
	}
	for len(o.waiting) > 0 { // the loop has ended
		e := o.waiting[0]
		o.passed()
		o.one(e)
	}
}

// one hands over one event. An observer that panics or ends the goroutine loses the event, nothing else.
func (o *observer) one(e Event) {
	returned := false
	defer func() {
		if returned {
			return
		}
		o.drop(e.Kind)
		_ = recover() // whatever it was, it is the observer's own
	}()
	if o.observe != nil {
		o.observe(e)
	}
	returned = true
}

// End is the end of a session: which one, and why.
type End struct {
	ID     persist.ID
	Hash   persist.Hash // of its last token, zero if that is not known
	Reason string
}

// endSlots is how many recent ends can be found, by ID and by token.
const endSlots = 1 << 12

// ends are the recent ends of sessions in this process, for whoever asks why one is gone. A
// later end takes the place of an earlier one in the same slot. So they need no lock and do not
// grow.
type ends struct {
	byID, byToken [endSlots]atomic.Pointer[End]
}

func (t *ends) add(l []End) {
	for i := range l {
		e := l[i] // a copy: the array of a step is used again
		t.id(e.ID).Store(&e)
		if e.Hash != (persist.Hash{}) {
			t.token(e.Hash).Store(&e)
		}
	}
}

// id returns the slot of an ID, by its random part.
func (t *ends) id(id persist.ID) *atomic.Pointer[End] {
	return &t.byID[binary.BigEndian.Uint16(id[14:])%endSlots]
}

func (t *ends) token(h persist.Hash) *atomic.Pointer[End] {
	return &t.byToken[binary.BigEndian.Uint16(h[:])%endSlots]
}

// EndOf returns why a session has ended in this process, "" if that is not known any more.
func (a *Actor) EndOf(id persist.ID) string {
	if e := a.published.ends.id(id).Load(); e != nil && e.ID == id {
		return e.Reason
	}
	return ""
}

// EndOfToken is EndOf for the session that a token has opened last.
func (a *Actor) EndOfToken(h persist.Hash) string {
	if e := a.published.ends.token(h).Load(); e != nil && e.Hash == h {
		return e.Reason
	}
	return ""
}
