package actor

import "sync/atomic"

const (
	eventRoom  = 1024     // events that the observer's channel holds
	eventBytes = 64 << 20 // estimated size of the loop's events beyond those: room for 300,000 ends
	eventSize  = 200      // of an event beside its strings
)

// observer hands events over, one after the other. Nothing it does can hold up or break
// an operation: nobody waits for it, and what it has no room for is dropped and counted.
//
// The loop decides in bursts, as the ends of 100,000 sessions. What the channel does not
// take at once the loop keeps, and passes on when there is room.
type observer struct {
	observe func(Event)
	events  chan Event
	waiting []Event // the loop's, in order, until the channel takes them
	bytes   int64   // of waiting
	quiet   <-chan struct{}
	ended   chan struct{} // closed when everything has been handed over
	dropped [Relieved + 1]atomic.Uint64
}

func newObserver(observe func(Event), quiet <-chan struct{}) observer {
	return observer{observe: observe, events: make(chan Event, eventRoom), quiet: quiet, ended: make(chan struct{})}
}

// Emit queues an event for the observer, or drops it. After Close nobody takes it.
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

func (o *observer) drop(k EventKind) { o.dropped[min(k, Relieved)].Add(1) }

func (e *Event) size() int64 { return eventSize + int64(len(e.UserID)+len(e.Reason)) }

// add takes the events of a step. The loop alone calls it.
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
// (runtime.Goexit), another one goes on.
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
