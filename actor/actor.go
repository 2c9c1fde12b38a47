// Package actor owns the hot sessions. One goroutine, the loop, is the only one
// that changes anything; a second one, the writer, is the only one that commits.
// Readers look sessions up in the index that the loop publishes and never wait
// for it. Start starts both, Close joins them. An Actor is safe for concurrent use.
//
// What the loop knows is in state, a pure step function without goroutines,
// locks, I/O or clock: (state, message, now) to (state, effects). This package
// refuses to know SQL, HTTP and raw tokens. It carries no compatibility promise.
package actor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/persist"
)

// Config tunes an Actor. Every field is required unless it says otherwise.
type Config struct {
	Entries         int           // sessions kept in memory
	Bytes           int64         // and their size
	BatchInterval   time.Duration // longest time a change waits for its batch
	BatchSize       int           // items of a batch
	MaxPending      int           // unwritten changes at which callers wait in line
	MaxPendingBytes int64         // and their data
	MaxGraves       int           // remembered ends at which the destroy of an unknown session waits
	MaxLoads        int           // cold reads under way at which callers wait in line
	MaxWaiting      int           // callers in a line, 0 = refuse at once
	Patience        time.Duration // how long they wait there; a fifth of it once there has been no room for as long
	CleanupInterval time.Duration // between sweeps of expired sessions, 0 = never
	CloseTimeout    time.Duration // how long Close tries to write when the disk fails
	Lease           time.Duration // how long memory is trusted after the backend said it is fresh
	Exclusive       bool          // nobody else writes: the lease never ends
	TTL             int64         // bounds a sliding lifetime that is the configuration's, microseconds; 0 = no bound
	MaxLifetime     int64         // and an absolute one
	Grace           int64         // longest grace of a token that was replaced and whose successor was seen, microseconds; 0 = no bound
	Unproven        int64         // no proof of identity of that time or before counts: the clock has gone back since
	Seed            uint64        // of the retry jitter
	Now             func() int64  // the time, Unix microseconds: it never goes back
	Tick            func() int64  // a monotonic clock, microseconds
	Observe         func(Event)   // called on a goroutine of its own; optional
}

// eventRoom bounds the events that wait for a slow observer; more are dropped and counted.
const eventRoom = 1024

// Actor is the owner of the hot sessions.
type Actor struct {
	cfg     Config
	backend persist.Backend
	hot     *cache.Hot[View]
	lease   atomic.Int64 // memory may be served before then

	inbox    chan message // unbuffered: what is accepted is answered
	growth   chan message // the same for what makes pending grow, so that a flood of it holds up nothing else
	shut     atomic.Bool  // what makes pending grow is refused without asking the loop
	refused  atomic.Uint64
	batches  chan *persist.Batch
	results  chan settled
	events   chan Event
	stop     chan struct{} // closed by Close
	done     chan struct{} // closed when the loop has ended
	quiet    chan struct{} // closed when nothing more will happen
	group    sync.WaitGroup
	cancel   context.CancelFunc // of the watcher and the sweeper
	writing  context.Context    //nolint:containedctx // of the writer: ends when Close gives up
	giveUp   context.CancelFunc
	observed chan struct{} // closed when the observer has had everything
	once     sync.Once
	err      error     // of Close; read after done
	requests sync.Pool // of answered requests
	dropped  atomic.Uint64
	hits     tally

	calm      *atomic.Uint64 // the state's; see quick
	quicks    atomic.Int32   // quick reads under way
	coldReads atomic.Uint64  // and how many there were
	unknown   atomic.Uint64  // of them, those that found nothing
}

// Start runs an Actor over backend. Close it.
func Start(backend persist.Backend, cfg Config) *Actor {
	s := newState(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	a := &Actor{
		cfg: cfg, backend: backend, hot: s.hot, calm: &s.calm, cancel: cancel,
		inbox: make(chan message), growth: make(chan message),
		batches: make(chan *persist.Batch, 1), results: make(chan settled, 1), // one: the batch in flight
		events: make(chan Event, eventRoom),
		stop:   make(chan struct{}), done: make(chan struct{}), quiet: make(chan struct{}), observed: make(chan struct{}),
	}
	a.writing, a.giveUp = context.WithCancel(context.Background())
	a.lease.Store(s.lease)
	var feeders sync.WaitGroup // whoever may emit an event
	feeders.Go(func() { a.sweep(ctx) })
	feeders.Go(func() { a.watchBackend(ctx) })
	feeders.Go(func() { a.loop(s) })
	a.group.Go(a.write)
	go a.observe()
	a.group.Go(func() {
		feeders.Wait()
		close(a.quiet)
	})
	return a
}

// Close takes nothing new in, writes everything that was acknowledged, and
// joins every goroutine. If the disk refuses, it tries for Config.CloseTimeout
// and says what was lost. It waits a second at most for an observer that does
// not return. It is idempotent and always returns the same error.
func (a *Actor) Close() error {
	a.once.Do(func() {
		a.cancel()
		close(a.stop)
	})
	a.group.Wait()
	a.giveUp()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-a.observed:
	case <-patience.C:
	}
	return a.err
}

// write commits one batch at a time.
func (a *Actor) write() {
	defer close(a.results)
	for b := range a.batches {
		res, err := a.backend.Apply(a.writing, b)
		a.results <- settled{res, err}
	}
}

// loop runs the state: one message, its effects, the next message.
func (a *Actor) loop(s *state) {
	defer close(a.done)
	defer close(a.batches)
	timer := newAlarm()
	defer timer.Stop()
	for {
		var m message
		select {
		case m = <-a.inbox:
		case m = <-a.growth:
		case m = <-a.results:
		case <-timer.C:
			timer.rang()
			m = wake{}
		case <-a.stop:
			a.err = a.drain(s, timer)
			return
		}
		a.step(s, m, timer)
	}
}

// step runs one step and carries out its effects. Nothing here can block: reply
// channels have room, and the writer is idle when there is a batch.
func (a *Actor) step(s *state, m message, timer *alarm) {
	now, tick := a.cfg.Now(), a.cfg.Tick()
	out := s.step(m, now, tick)
	if a.lease.Load() != out.lease {
		a.lease.Store(out.lease)
	}
	if a.shut.Load() != out.shut {
		a.shut.Store(out.shut)
	}
	for _, r := range out.replies {
		r.req.reply <- r.response
	}
	for _, c := range out.ended {
		close(c)
	}
	for _, e := range out.events {
		a.Emit(e)
	}
	if out.batch != nil {
		a.batches <- out.batch
	}
	timer.set(tick, out.wake)
}

// drain writes what is left. It gives up when the disk has refused for too long.
func (a *Actor) drain(s *state, timer *alarm) error {
	limit := time.NewTimer(a.cfg.CloseTimeout)
	defer limit.Stop()
	a.step(s, closing{}, timer)
	for !s.idle() {
		var m message
		select {
		case m = <-a.results:
		case m = <-a.inbox:
			if r, ok := m.(*request); ok {
				r.reply <- response{err: ErrClosed}
				continue
			}
		case <-timer.C:
			timer.rang()
			m = wake{}
		case <-limit.C:
			return a.surrender(s, timer)
		}
		a.step(s, m, timer)
	}
	return nil
}

// surrender ends the batch in flight, answers who still waits, and tells what
// could not be written.
func (a *Actor) surrender(s *state, timer *alarm) error {
	a.giveUp()
	s.finished = true
	if s.flight != nil {
		a.step(s, <-a.results, timer)
	}
	if s.idle() {
		return nil
	}
	err := fmt.Errorf("closing the session store: %d changes and %d security operations are not on disk",
		len(s.dirty), len(s.ops)+len(s.later))
	a.step(s, surrender{}, timer)
	return errors.Join(err, s.stats.LastError)
}

// Emit queues an event for the observer, or drops it: nothing waits for an
// observer. After Close nobody takes it.
func (a *Actor) Emit(e Event) {
	select {
	case a.events <- e:
	default:
		a.dropped.Add(1)
	}
}

// observe hands events to the observer, one after the other. Nothing it does
// can hold up or break an operation (S40).
func (a *Actor) observe() {
	defer close(a.observed)
	for {
		select {
		case e := <-a.events:
			a.observeOne(e)
			continue
		default:
		}
		select {
		case e := <-a.events:
			a.observeOne(e)
		case <-a.quiet:
			if len(a.events) == 0 {
				return
			}
		}
	}
}

func (a *Actor) observeOne(e Event) {
	defer func() {
		if recover() != nil {
			a.dropped.Add(1) // a panicking observer loses the event, nothing else
		}
	}()
	if a.cfg.Observe != nil {
		a.cfg.Observe(e)
	}
}
