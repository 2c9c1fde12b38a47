package admin

import (
	"sync"

	"github.com/sessile/sessile"
)

// feedSize is how many events a Feed keeps, about 200 KB.
const feedSize = 1024

// Feed keeps the most recent 1,024 events of a store for the event streams. The zero value is ready:
// give its Observe to [sessile.Config.Events]. It is safe for concurrent use.
//
// Its memory does not grow with the number of streams. A stream that is slower than the events
// learns how many it has missed.
type Feed struct {
	mu      sync.Mutex
	ring    []sessile.Event // event n is at n % feedSize
	next    uint64          // number of events so far
	changed chan struct{}   // closed at the next event; nil if nobody waits
}

// Observe adds an event. It never waits for a stream.
func (f *Feed) Observe(e sessile.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ring) < feedSize {
		f.ring = append(f.ring, e)
	} else {
		f.ring[f.next%feedSize] = e
	}
	f.next++
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// position returns the number of events so far.
func (f *Feed) position() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// since returns the events from number after on, at most limit, and how many of them are no longer
// kept. changed is closed at the next event.
func (f *Feed) since(after uint64, limit int) (events []sessile.Event, dropped uint64, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	oldest := f.next - uint64(len(f.ring))
	if after < oldest {
		dropped, after = oldest-after, oldest
	}
	for ; after < f.next && len(events) < limit; after++ {
		events = append(events, f.ring[after%feedSize])
	}
	return events, dropped, f.changed
}
