package nodes

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// link is a node's way to its backend, with the faults that the suite makes above the
// backend: in what Watch delivers, and in Apply.
type link struct {
	*persisttest.Hooked
	late persist.Backend // commits what was frozen, when it thaws

	mu     sync.Mutex
	queue  []delivery // what is under way to the sink, in order
	news   chan struct{}
	delay  time.Duration
	silent bool
	cut    bool
	frozen chan struct{} // the next Apply hangs until it is closed; nil = it does not
	end    func(error)   // ends the Watch under way
	read   func()        // runs when a row has been read, before the node gets it
}

// delivery is one call of the sink, and when it is due.
type delivery struct {
	call func(persist.Sink)
	at   time.Time
}

func newLink(b, late persist.Backend) *link {
	l := &link{late: late, news: make(chan struct{}, 1)}
	l.Hooked = persisttest.Hook(b, persisttest.Hooks{Fail: l.hang, After: l.afterRead})
	return l
}

// Watch delivers what the backend tells by way of the queue.
func (l *link) Watch(ctx context.Context, s persist.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	defer done.Wait()
	defer cancel()
	var ended error
	l.change(func() {
		l.queue = nil
		l.end = func(err error) { ended = err; cancel() }
	})
	done.Go(func() { l.deliver(ctx, s) })
	err := l.Hooked.Watch(ctx, feed{l, s})
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(ended, err)
}

// endWatch has the Watch under way return.
func (l *link) endWatch(err error) { l.change(func() { l.end(err) }) }

// deliver calls the sink with what is due, in order, until ctx ends.
func (l *link) deliver(ctx context.Context, s persist.Sink) {
	for ctx.Err() == nil {
		call, wait := l.next()
		if call != nil {
			call(s)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.news:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// next takes the delivery that is due, or tells how long none will be.
func (l *link) next() (call func(persist.Sink), wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent || len(l.queue) == 0 {
		return nil, time.Hour
	}
	if wait = time.Until(l.queue[0].at); wait > 0 {
		return nil, wait
	}
	call = l.queue[0].call
	l.queue = l.queue[1:]
	return call, 0
}

// push has a call of the sink delivered.
func (l *link) push(call func(persist.Sink)) {
	l.change(func() {
		if !l.cut {
			l.queue = append(l.queue, delivery{call, time.Now().Add(l.delay)})
		}
	})
}

// overtake has a call of the sink delivered at once, before what is under way.
func (l *link) overtake(call func(persist.Sink)) {
	l.change(func() { l.queue = slices.Insert(l.queue, 0, delivery{call, time.Now()}) })
}

// change changes the link, and has deliver look at it.
func (l *link) change(how func()) {
	l.mu.Lock()
	how()
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// feed is the sink that the backend sees.
type feed struct {
	l    *link
	node persist.Sink
}

func (f feed) Now() persist.Instant { return f.node.Now() }

func (f feed) Reset(reason string) { f.l.push(func(s persist.Sink) { s.Reset(reason) }) }

func (f feed) Invalidate(events []persist.Event) {
	f.l.push(func(s persist.Sink) { s.Invalidate(events) })
}

func (f feed) Fresh(at persist.Instant) { f.l.push(func(s persist.Sink) { s.Fresh(at) }) }

// silence holds back what is delivered. What was held back is delivered when it is mended.
func (l *link) silence() (mend func()) {
	l.change(func() { l.silent = true })
	return func() { l.change(func() { l.silent = false }) }
}

// slow has everything be delivered later by d.
func (l *link) slow(d time.Duration) (mend func()) {
	l.change(func() { l.delay = d })
	return func() { l.change(func() { l.delay = 0 }) }
}

// breakFeed loses what is told until it is mended. Then the feed begins anew with a Reset,
// and what the old connection still held comes behind that.
func (l *link) breakFeed() (mend func()) {
	var old []delivery
	l.change(func() { old, l.queue, l.cut = l.queue, nil, true })
	return func() {
		l.change(func() {
			reset := delivery{func(s persist.Sink) { s.Reset("connected again") }, time.Now()}
			l.cut, l.queue = false, append([]delivery{reset}, old...)
		})
	}
}

// onRead has f run when a row has been read, before the node gets it.
func (l *link) onRead(f func()) (mend func()) {
	l.change(func() { l.read = f })
	return func() { l.change(func() { l.read = nil }) }
}

// afterRead is the hook of reads.
func (l *link) afterRead(c *persisttest.Call) {
	if c.Method != persisttest.ByHash && c.Method != persisttest.ByID {
		return
	}
	l.mu.Lock()
	f := l.read
	l.mu.Unlock()
	if f != nil {
		f()
	}
}

// freeze has the next Apply hang. Its batch is committed when it is mended, long after the
// node has given it up.
func (l *link) freeze() (mend func()) {
	frozen := make(chan struct{})
	l.change(func() { l.frozen = frozen })
	return sync.OnceFunc(func() { close(frozen) })
}

// hang is the hook of Apply: it waits for ctx, as a connection does that gets no answer.
func (l *link) hang(c *persisttest.Call) error {
	if c.Method != persisttest.Apply {
		return nil
	}
	l.mu.Lock()
	frozen := l.frozen
	l.frozen = nil
	l.mu.Unlock()
	if frozen == nil {
		return nil
	}
	b := *c.Batch
	select {
	case <-c.Ctx.Done():
	case <-frozen: // the control: a node without a deadline
		return persist.ErrUnknown
	}
	go func() {
		<-frozen
		_, _ = l.late.Apply(context.Background(), &b)
	}()
	return persist.ErrUnknown
}
