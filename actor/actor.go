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

// Actor is the owner of the hot sessions. Its goroutines are the loop, which alone changes
// the core; the writer, which alone commits; the sweeper, the watcher of the backend, the
// rereader, the looker and the ender, which send the loop messages as any caller does; and the one that
// hands events to the observer. Whatever else happens runs on the goroutines of callers. But a
// read whose context can end has one of its own, and may outlive its caller.
type Actor struct {
	cfg       Config
	backend   persist.Backend
	published *published
	observer  observer
	pools     pools

	// Between callers and the loop.
	inbox  chan message // unbuffered: nothing lies in it when the loop ends
	growth chan message // the same for what makes more wait for the disk, so that a flood of it holds up nothing else
	// Between the loop and the writer.
	batches chan *persist.Batch
	results chan batchDone
	// Start and end.
	stop          chan struct{}      // closed by Close
	done          chan struct{}      // closed when the loop has ended
	quiet         chan struct{}      // closed when nothing more will happen
	unread        chan struct{}      // watched sessions must be read again
	ends          chan struct{}      // everybody must be logged out
	waking        chan struct{}      // the store is used after a rest
	cancel        context.CancelFunc // of the watcher and the sweeper
	writing       context.Context    //nolint:containedctx // of the writer: ends when Close gives up
	cancelWriting context.CancelFunc // of writing
	group         sync.WaitGroup
	once          sync.Once
	err           error // of Close; read after done

	// Reads that do not ask the loop, and counters of what it does not see.
	diskReads       reads
	places          chan struct{} // of cold reads: one for each that the disk has not answered
	searches        chan struct{} // has room for one: a search takes as much of the disk as many reads
	optimisticReads atomic.Int32  // optimistic reads that the disk has not answered
	optimisticTotal atomic.Uint64 // and how many there were
	unknown         atomic.Uint64 // of them, those that found nothing
	refused         atomic.Uint64 // calls that were refused without asking the loop
	hits            counter
}

// Start runs an Actor over backend. Close it.
//
// The feeders are whoever may emit an event. Only when all of them have ended does quiet
// close, so that the observer's goroutine knows that nothing more will come.
func Start(backend persist.Backend, cfg Config) *Actor {
	hot, index := cache.New[View](cfg.Entries, cfg.Bytes)
	c := newCore(cfg, hot)
	ctx, cancel := context.WithCancel(context.Background())
	a := &Actor{
		cfg: cfg, backend: backend, published: newPublished(index, c.lease), cancel: cancel,
		inbox: make(chan message), growth: make(chan message),
		batches: make(chan *persist.Batch, 1), results: make(chan batchDone, 1), // one: the batch in flight
		stop: make(chan struct{}), done: make(chan struct{}), quiet: make(chan struct{}),
		unread: make(chan struct{}, 1), waking: make(chan struct{}, 1), ends: make(chan struct{}, 1),
		diskReads: newReads(), places: make(chan struct{}, cfg.MaxLoads), searches: make(chan struct{}, 1),
	}
	a.writing, a.cancelWriting = context.WithCancel(context.Background())
	a.observer = newObserver(cfg.Observe, a.quiet)
	var feeders sync.WaitGroup // whoever may emit an event
	feeders.Go(func() { a.sweep(ctx) })
	feeders.Go(func() { a.watchBackend(ctx) })
	feeders.Go(func() { a.rereads(ctx) })
	feeders.Go(func() { a.lookAtBackend(ctx) })
	feeders.Go(func() { a.ender(ctx) })
	feeders.Go(func() { a.loop(c) })
	a.group.Go(a.write)
	go a.observer.run()
	a.group.Go(func() {
		feeders.Wait()
		close(a.quiet)
	})
	return a
}

// Close stops accepting calls, writes everything that was acknowledged, and joins every
// goroutine. It is idempotent and always returns the same error.
//
// If the disk refuses, Close tries for Config.CloseTimeout. Then it cancels the context of
// the commit in flight, waits until the backend's Apply has returned, and says what was lost:
// a session whose deletion is not on disk may be back after a restart.
//
// It waits as long again for reads that are under way, also those whose callers have given
// up, and says how many have not ended. But for those, no call of the backend is under way or
// follows. It waits a second at most for an observer that does not return.
func (a *Actor) Close() error {
	a.once.Do(a.close)
	return a.err
}

// close ends the goroutines in the order in which they feed each other:
//
//  1. The sweeper and the watchers end, so that nobody makes new work.
//  2. stop has the loop drain: what was acknowledged goes to disk. The loop then closes
//     batches, and with it ends the writer.
//  3. Reads are joined last. Their callers may be gone long ago, and only the disk can end
//     them.
//  4. The observer gets what it has not seen yet, if it takes it.
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

// drain writes what is left. It gives up when the disk has refused for too long. It takes no
// message from growth: who sends one there is told by stop that the store is closed. From
// inbox it must: callers come back with what they have read, or ask for the last word.
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
			timer.at = unset
			m = wakeUp{}
		case <-limit.C:
			return a.surrender(c, timer)
		}
		a.step(c, m, timer)
	}
	return c.unended()
}

// surrender ends the batch in flight, answers who still waits, and tells what could not be
// written. The outcome of the batch is taken first: it may have been the last one, and then
// nothing is lost.
func (a *Actor) surrender(c *core, timer *wakeTimer) error {
	a.cancelWriting()
	c.finished = true
	if c.inFlight != nil {
		a.step(c, <-a.results, timer)
	}
	if c.idle() {
		return c.unended()
	}
	err := fmt.Errorf("closing the session store: %d changes and %d security operations are not on disk", len(c.dirty), c.ops.len())
	a.step(c, nothingMore{}, timer)
	return errors.Join(err, c.unended(), c.stats.LastError)
}

// closing says that nothing new will come and everything must go to disk.
type closing struct{}

// handle accepts nothing more: what is accepted goes to disk, and whoever waits for room, or
// for somebody else's disk read, is answered. A leader that reads the disk itself comes back,
// and is answered then.
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
	if c.ending != nil {
		c.ending.failed(c, ErrClosed)
	}
}

// nothingMore says that nothing more will be written: answer everyone.
type nothingMore struct{}

// handle answers everyone who still waits for the disk. Chores are done first: an operation
// may be answered only when memory has refused all that it ends.
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
