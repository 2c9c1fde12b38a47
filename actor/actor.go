package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	MaxPending      int           // unwritten changes at which callers wait for room
	MaxPendingBytes int64         // and their data
	MaxTombstones   int           // tombstones at which the end of what memory does not know waits
	MaxLoads        int           // cold reads in progress at which callers wait for room
	MaxWaiting      int           // callers that wait for one kind of room, 0 = refuse at once
	Patience        time.Duration // how long they wait; a fifth of it once there has been no room for as long
	CleanupInterval time.Duration // between sweeps of expired sessions, 0 = never
	CloseTimeout    time.Duration // how long Close tries to write when the disk fails, and waits for reads
	Lease           time.Duration // how long memory is trusted after the backend said it is fresh
	Exclusive       bool          // nobody else writes: memory is trusted without end, but after a rest not before a look
	TTL             int64         // bounds a sliding lifetime that is the configuration's, microseconds; 0 = no bound
	MaxLifetime     int64         // and an absolute one
	Grace           int64         // longest grace of a token that was replaced and whose successor was seen, microseconds; 0 = no bound
	Unproven        int64         // no proof of identity of that time or before counts: the clock has gone back since
	Seed            uint64        // of the retry jitter
	Now             func() int64  // the time, Unix microseconds: it never goes back
	Tick            func() int64  // a monotonic clock, microseconds
	Observe         func(Event)   // called on a goroutine of its own; optional
}

// Actor is the owner of the hot sessions.
type Actor struct {
	cfg       Config
	backend   persist.Backend
	published *published
	observer  observer
	pools     pools

	inbox         chan message // unbuffered: what is accepted is answered
	growth        chan message // the same for what makes more wait for the disk, so that a flood of it holds up nothing else
	batches       chan *persist.Batch
	results       chan committed
	stop          chan struct{}      // closed by Close
	done          chan struct{}      // closed when the loop has ended
	quiet         chan struct{}      // closed when nothing more will happen
	unread        chan struct{}      // watched sessions must be read again
	waking        chan struct{}      // the store is used after a rest
	cancel        context.CancelFunc // of the watcher and the sweeper
	writing       context.Context    //nolint:containedctx // of the writer: ends when Close gives up
	cancelWriting context.CancelFunc // of writing
	group         sync.WaitGroup
	once          sync.Once
	err           error // of Close; read after done

	diskReads       reads
	places          chan struct{} // of cold reads: one for each that the disk has not answered
	optimisticReads atomic.Int32  // optimistic reads that the disk has not answered
	coldReads       atomic.Uint64 // and how many there were
	unknown         atomic.Uint64 // of them, those that found nothing
	refused         atomic.Uint64 // calls that were refused without asking the loop
	hits            counter
}

// Start runs an Actor over backend. Close it.
func Start(backend persist.Backend, cfg Config) *Actor {
	hot, index := cache.New[View](cfg.Entries, cfg.Bytes)
	c := newCore(cfg, hot)
	ctx, cancel := context.WithCancel(context.Background())
	a := &Actor{
		cfg: cfg, backend: backend, published: newPublished(index, c.lease), cancel: cancel,
		inbox: make(chan message), growth: make(chan message),
		batches: make(chan *persist.Batch, 1), results: make(chan committed, 1), // one: the batch in flight
		stop: make(chan struct{}), done: make(chan struct{}), quiet: make(chan struct{}),
		unread: make(chan struct{}, 1), waking: make(chan struct{}, 1),
		diskReads: newReads(), places: make(chan struct{}, cfg.MaxLoads),
	}
	a.writing, a.cancelWriting = context.WithCancel(context.Background())
	a.observer = newObserver(cfg.Observe, a.quiet)
	var feeders sync.WaitGroup // whoever may emit an event
	feeders.Go(func() { a.sweep(ctx) })
	feeders.Go(func() { a.watchBackend(ctx) })
	feeders.Go(func() { a.rereads(ctx) })
	feeders.Go(func() { a.lookAtBackend(ctx) })
	feeders.Go(func() { a.loop(c) })
	a.group.Go(a.write)
	go a.observer.run()
	a.group.Go(func() {
		feeders.Wait()
		close(a.quiet)
	})
	return a
}

// Close stops accepting calls, writes everything that was acknowledged, and
// joins every goroutine. If the disk refuses, it tries for Config.CloseTimeout,
// cancels the context of the commit in flight, waits until the backend's Apply has returned,
// and says what was lost: a session whose deletion is not on disk may be back after a restart.
// It waits as long again for reads that are under way, also
// those whose callers have given up, and says how many have not ended: but for those, no
// call of the backend is under way or follows. It waits a second at most for an observer
// that does not return. It is idempotent and always returns the same error.
func (a *Actor) Close() error {
	a.once.Do(a.close)
	return a.err
}

func (a *Actor) close() {
	a.cancel()
	close(a.stop)
	a.group.Wait()
	a.cancelWriting()
	if n := a.diskReads.join(a.cfg.CloseTimeout); n > 0 {
		a.err = errors.Join(a.err, fmt.Errorf("closing the session store: %d reads have not ended within %v", n, a.cfg.CloseTimeout))
	}
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-a.observer.ended:
	case <-patience.C:
	}
}

// drain writes what is left. It gives up when the disk has refused for too long.
func (a *Actor) drain(c *core, timer *wakeTimer) error {
	limit := time.NewTimer(a.cfg.CloseTimeout)
	defer limit.Stop()
	a.step(c, closing{}, timer)
	for !c.idle() {
		var m message
		select {
		case m = <-a.results:
		case m = <-a.inbox:
		case <-timer.C:
			timer.fired()
			m = wakeUp{}
		case <-limit.C:
			return a.surrender(c, timer)
		}
		a.step(c, m, timer)
	}
	return nil
}

// surrender ends the batch in flight, answers who still waits, and tells what
// could not be written.
func (a *Actor) surrender(c *core, timer *wakeTimer) error {
	a.cancelWriting()
	c.finished = true
	if c.inFlight != nil {
		a.step(c, <-a.results, timer)
	}
	if c.idle() {
		return nil
	}
	err := fmt.Errorf("closing the session store: %d changes and %d security operations are not on disk", len(c.dirty), c.ops.len())
	a.step(c, nothingMore{}, timer)
	return errors.Join(err, c.stats.LastError)
}

// closing says that nothing new will come and everything must go to disk.
type closing struct{}

// handle accepts nothing more: what waits goes to disk, what cannot wait is told so.
func (closing) handle(c *core) {
	c.closing = true
	for _, w := range []*waiters{&c.destroys, &c.writes.waiters, &c.reads.waiters} {
		c.failAll(w, ErrClosed)
	}
	for _, r := range c.replacing {
		c.failAll(&r.waiters, ErrClosed)
	}
	for e := c.loads.order.Front(); e != nil; e = e.Next() {
		c.failAll(&started(e).waiters, ErrClosed)
	}
	for id := range c.watched.byID {
		c.endWatch(id)
	}
}

// nothingMore says that nothing more will be written: answer everyone.
type nothingMore struct{}

// handle answers everyone who still waits for the disk.
func (nothingMore) handle(c *core) {
	for len(c.chores) > 0 {
		c.work()
	}
	for _, op := range slices.Concat(c.ops.ready, c.ops.delayed) {
		op.surrender(c)
	}
	for _, d := range c.dirty {
		c.failAll(&d.wait, ErrClosed)
	}
}
